import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aBackend } from '../support/backends.ts';
import { ENGINES, type EngineOptions } from '../support/engines.ts';
import { once, startTcpBackend, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const NONE = { idle: 0, half_closed: 0, first_byte: 0 };
const TIMEOUT_MS = 400;

const echo = (socket: Socket): void => void socket.pipe(socket);

/** How a connection ends for this peer: `FIN`, or the code of the error. */
async function endingOf(socket: Socket): Promise<string | undefined> {
  return once(socket.resume(), 'close').then(
    () => 'FIN',
    (error: NodeJS.ErrnoException) => error.code,
  );
}

async function exchange(socket: Socket): Promise<void> {
  socket.write('y');
  await once(socket, 'data');
}

describe.each(ENGINES)('$name engine, when something takes too long', ({ start }) => {
  async function anEdge(onConnection: (socket: Socket) => void, options: Partial<EngineOptions>) {
    const backend = await startTcpBackend(onConnection, { allowHalfOpen: true });
    onTestFinished(() => backend.close());
    const running = await start([aBackend({ port: backend.port })], options);
    onTestFinished(() => running.engine.close(0));
    const aClient = async (): Promise<Socket> => {
      const client = await tcpConnect(running.port, '127.0.0.1', { allowHalfOpen: true });
      onTestFinished(() => void client.destroy());
      return client;
    };
    return { ...running, backend, aClient };
  }

  it('closes a connection that is silent both ways, and no other', async () => {
    const { aClient, traffic } = await anEdge(echo, { idleTimeoutMs: TIMEOUT_MS });
    const idle = await aClient();
    const busy = await aClient();
    const ending = endingOf(idle);
    while (!idle.closed) await exchange(busy);
    expect(await ending).toBe('ECONNRESET');
    await until(() => traffic.activeClients() === 1, { what: 'the idle connection to be gone' });
    await exchange(busy);
    expect(traffic.report().timedOut).toEqual({ ...NONE, idle: 1 });
  });

  it.each(['client', 'backend'])(
    'closes a connection that its %s has ended, when the other is silent',
    async (ender) => {
      const { aClient, backend, traffic } = await anEdge((socket) => socket.resume(), {
        halfClosedTimeoutMs: TIMEOUT_MS,
      });
      const client = await aClient();
      await until(() => backend.sockets.length === 1, { what: 'the connection' });
      const sockets = [client, backend.sockets[0]!];
      const open = await aClient();
      const [ended, silent] = ender === 'client' ? sockets : sockets.toReversed();
      const ending = endingOf(ended!);
      ended!.end();
      await once(silent!.resume(), 'end');
      expect(await ending).toBe('ECONNRESET');
      await until(() => traffic.activeClients() === 1, { what: 'one to be gone' });
      expect(traffic.report().timedOut).toEqual({ ...NONE, half_closed: 1 });
      expect(open.destroyed).toBe(false);
    },
  );

  it('keeps one that one side has ended as long as the other one speaks', async () => {
    const { aClient, backend, traffic } = await anEdge((socket) => socket.resume(), {
      halfClosedTimeoutMs: TIMEOUT_MS,
    });
    const client = await aClient();
    const startedMs = performance.now();
    client.end('over to you');
    await until(() => backend.sockets.length === 1, { what: 'the connection' });
    const [socket] = backend.sockets;
    while (performance.now() - startedMs < 3 * TIMEOUT_MS) {
      socket!.write('y');
      await once(client, 'data');
    }
    expect(traffic.report().timedOut).toEqual(NONE);
    socket!.end();
    await once(client, 'end');
    await until(() => traffic.activeClients() === 0, { what: 'the orderly end' });
  });

  it('closes a connection whose backend does not answer, and charges the backend', async () => {
    const { aClient, traffic, outcomes } = await anEdge((socket) => socket.resume(), {
      firstByteTimeoutMs: TIMEOUT_MS,
    });
    const unasked = await aClient();
    const asking = await aClient();
    const ending = endingOf(asking);
    asking.write('anybody there?');
    expect(await ending).toBe('ECONNRESET');
    await until(() => outcomes.length === 1, { what: 'the outcome' });
    expect(outcomes).toMatchObject([
      { result: 'failure', cause: 'first_byte_timeout', detail: 'no byte in return in time' },
    ]);
    expect(traffic.report()).toMatchObject({
      active: 1,
      timedOut: { ...NONE, first_byte: 1 },
      backends: [{ active: 1, errors: 1 }],
    });
    expect(unasked.destroyed).toBe(false);
  });

  it('gives a backend that has answered once all the time there is', async () => {
    let answers = 0;
    const { aClient, traffic } = await anEdge(
      (socket) =>
        socket.on('data', () => {
          if (answers++ === 0) socket.write('y');
        }),
      { firstByteTimeoutMs: TIMEOUT_MS },
    );
    const answered = await aClient();
    await exchange(answered);
    const waiting = await aClient();
    const ending = endingOf(waiting);
    answered.write('and now?');
    waiting.write('anybody there?');
    expect(await ending).toBe('ECONNRESET');
    await until(() => traffic.activeClients() === 1, { what: 'one to be gone' });
    expect(traffic.report().timedOut).toEqual({ ...NONE, first_byte: 1 });
  });
});
