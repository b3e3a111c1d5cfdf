import { parentPort, workerData } from 'node:worker_threads';
import { RateLimiter, type RateLimiterMemory } from '../../src/proxy/rate-limiter.ts';

/** What a thread that shares a limiter is to do. */
export interface LimiterOrders {
  readonly memory: RateLimiterMemory;
  readonly holder: number;
  readonly client: string;
  readonly rounds: number;
  /** The time in milliseconds, and how many threads are here: none starts before all are. */
  readonly clock: Int32Array<SharedArrayBuffer>;
  readonly threads: number;
}

const [TIME, ARRIVED] = [0, 1];

const { memory, holder, client, rounds, clock, threads } = workerData as LimiterOrders;
const limiter = new RateLimiter({ memory, holder, now: () => Atomics.load(clock, TIME) });

Atomics.add(clock, ARRIVED, 1);
Atomics.notify(clock, ARRIVED);
for (;;) {
  const here = Atomics.load(clock, ARRIVED);
  if (here === threads) break;
  Atomics.wait(clock, ARRIVED, here);
}
let admitted = 0;
for (let round = 0; round < rounds; round++) {
  if (limiter.check(client)) admitted++;
  // Only when there is nothing left, so that no bucket overflows.
  else Atomics.add(clock, TIME, 1);
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort!.postMessage(admitted);
