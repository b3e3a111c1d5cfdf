/**
 * Limits how often a client may ask, with a token bucket for each, and shares the buckets with another thread.
 *
 * Usage: npx node --conditions=edgeproxy-source examples/components/rate-limiter.ts
 */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { RateLimiter, type RateLimiterMemory, systemNow } from 'edgeproxy';

const CLIENT = '192.0.2.1';

if (isMainThread) await main();
else inThread(workerData as RateLimiterMemory);

async function main(): Promise<void> {
  const limiter = new RateLimiter({
    maxRequests: 100, // Requests in a window.
    windowMs: 1_000,
    burstSize: 10, // At once, after a silence.
    now: systemNow,
  });
  let served = 0;
  while (limiter.check(CLIENT)) served++;
  print(`200 OK, ${served} times, then 429 Too Many Requests`);

  // An IPv6 client is a prefix of 64 bits, unless `ipv6Prefix` says otherwise.
  const hourly = new RateLimiter({ maxRequests: 10, windowMs: 3_600_000, burstSize: 10, now: systemNow });
  hourly.check('2001:db8::1');
  print(`2001:db8::2 has ${hourly.remaining('2001:db8::2')} left`);

  // One limit for all threads: what they share is plain memory.
  for (let request = 0; request < 4; request++) hourly.check(CLIENT);
  const thread = new Worker(new URL(import.meta.url), { workerData: hourly.memory });
  const [servedThere] = (await once(thread, 'message')) as [number];
  print(`4 here, ${servedThere} in another thread, ${hourly.remaining(CLIENT)} left`);
}

function inThread(memory: RateLimiterMemory): void {
  // `holder` is a number of its own for each thread. Should this one die, another may call `threadDied(2)`.
  const limiter = new RateLimiter({ memory, now: systemNow, holder: 2 });
  let served = 0;
  while (limiter.check(CLIENT)) served++;
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort!.postMessage(served);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
