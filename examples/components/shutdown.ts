/**
 * Ends a server of one's own as edgeproxy ends: no new client, time for the others, then the rest is closed.
 *
 * Usage: npx node --conditions=edgeproxy-source examples/components/shutdown.ts, then SIGTERM or Ctrl+C
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createActor, fromPromise, toPromise } from 'xstate';
import { type CloseInput, lifecycleMachine, messageOf } from 'edgeproxy';

const live = new Set<Socket>();
const server = createServer((socket) => {
  live.add(socket);
  socket.on('error', () => {}).once('close', () => live.delete(socket));
  socket.pipe(socket);
});

const lifecycle = createActor(
  lifecycleMachine.provide({
    actors: {
      // Each is one step; the statechart says when, and what happens when one fails or takes too long.
      start: fromPromise(async () => {
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
      }),
      drain: fromPromise(async () => {
        server.close();
        await Promise.all([...live].map((socket) => once(socket, 'close')));
      }),
      close: fromPromise<void, CloseInput>(async () => {
        for (const socket of live) socket.destroy();
      }),
    },
  }),
  { input: { shutdownTimeoutMs: 30_000 } },
);
lifecycle.on('RUNNING', () => print(`running on port ${(server.address() as AddressInfo).port}`));
lifecycle.on('DRAINING', () => print(`draining, ${live.size} connected`));
lifecycle.on('FORCING', ({ reason }) => print(`closing ${live.size} that are left (${reason})`));
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => lifecycle.send({ type: 'STOP_REQUESTED' })); // The second one forces.

lifecycle.start();
const { error } = await toPromise(lifecycle);
print(error === undefined ? 'stopped' : `failed: ${messageOf(error)}`);
process.exit(error === undefined ? 0 : 1);

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
