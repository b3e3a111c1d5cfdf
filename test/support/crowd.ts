import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import type { CrowdOrders } from './crowd-thread.ts';

/** Clients of an echo backend who all come at once, until the running test ends. */
export interface Crowd {
  /** Returns when the kernel has connected all of them: nothing else has happened in this thread meanwhile. */
  comeNow(): void;
  /** Resolves with how many are served. */
  readonly served: Promise<number>;
}

export async function aCrowd(port: number, clients: number): Promise<Crowd> {
  const come = new Int32Array(new SharedArrayBuffer(4));
  const orders: CrowdOrders = { port, clients, come };
  const thread = new Worker(new URL('./crowd-thread.ts', import.meta.url), { workerData: orders });
  onTestFinished(() => thread.terminate().then(() => undefined));
  const served = once(thread, 'message').then(([count]) => count as number);
  await once(thread, 'online');
  return {
    comeNow() {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      thread.postMessage('come');
      if (Atomics.wait(come, 0, 0, 20_000) === 'timed-out') throw new Error('the crowd has not come');
    },
    served,
  };
}
