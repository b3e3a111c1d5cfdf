import { parentPort, workerData } from 'node:worker_threads';
import { isServed, tcpConnect } from './sockets.ts';

export interface CrowdOrders {
  readonly port: number;
  readonly clients: number;
  /** Becomes 1 when all have come. */
  readonly come: Int32Array<SharedArrayBuffer>;
}

/**
 * Clients of an echo backend in a thread of their own: they come when they are told to, and tell how many are served.
 * They leave with the thread.
 */
const { port, clients, come } = workerData as CrowdOrders;
parentPort!.once('message', async () => {
  const sockets = await Promise.all(Array.from({ length: clients }, () => tcpConnect(port)));
  Atomics.store(come, 0, 1);
  Atomics.notify(come, 0);
  const served = await Promise.all(sockets.map(isServed));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort!.postMessage(served.filter(Boolean).length);
});
