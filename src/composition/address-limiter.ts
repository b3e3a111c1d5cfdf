import { RateLimiter } from '../proxy/rate-limiter.ts';
import { systemNow } from './system-clock.ts';

const WINDOW_MS = 1_000;
const MAX_ADDRESSES = 10_000;
const MAX_REQUESTS = 100;

/** Whether an address may ask a listener once more. @param maxRequests of one address in a second, and as many at once */
export function addressLimiter(maxRequests = MAX_REQUESTS): (address: string) => boolean {
  const limiter = new RateLimiter({
    maxRequests,
    windowMs: WINDOW_MS,
    burstSize: maxRequests,
    maxClients: MAX_ADDRESSES,
    now: systemNow,
  });
  return (address) => limiter.check(address);
}
