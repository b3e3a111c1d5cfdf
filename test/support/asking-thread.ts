import { parentPort, workerData } from 'node:worker_threads';
import { readAll, startTcpBackend, tcpConnect } from './sockets.ts';

/** Where a thread that asks writes how many answers it has had. */
export interface AskingOrders {
  readonly answers: Int32Array<SharedArrayBuffer>;
  readonly times: number;
}

/** A backend and its clients in a thread of their own: says its port, is told that of the proxy, and asks it. */
const { answers, times } = workerData as AskingOrders;
const backend = await startTcpBackend((socket) => socket.end('answer'));
parentPort!.on('message', async (port: number) => {
  for (let time = 0; time < times; time++) {
    const answer = await readAll(await tcpConnect(port));
    if (answer.toString() === 'answer') Atomics.add(answers, 0, 1);
  }
  Atomics.store(answers, 1, 1);
  Atomics.notify(answers, 1);
  await backend.close();
  parentPort!.close();
});
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort!.postMessage(backend.port);
