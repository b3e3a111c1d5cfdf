import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { aBackend } from '../support/backends.ts';
import { type EngineKind, ENGINES, type RunningEngine, streamsEngine } from '../support/engines.ts';
import { once, startTcpBackend, tcpConnect, type TcpBackend } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** More than the kernel takes off a sender while nobody reads. */
const FLOOD = Buffer.alloc(24_000_000);

async function pairOf(start: EngineKind['start'], onConnection: (socket: Socket) => void = () => {}) {
  const backend: TcpBackend = await startTcpBackend(onConnection, { allowHalfOpen: true });
  cleanups.push(() => backend.close());
  const running: RunningEngine = await start([aBackend({ port: backend.port })]);
  cleanups.push(() => running.engine.close(0));
  const connect = () => tcpConnect(running.port, '127.0.0.1', { allowHalfOpen: true });
  return { backend, running, connect };
}

/** The bytes of one direction have come to rest: nobody takes any more. */
async function untilFull({ traffic }: RunningEngine, field: 'bytesSent' | 'bytesReceived') {
  let [last, times] = [0, 0];
  await until(
    () => {
      const now = traffic.report()[field];
      times = now > 0 && now === last ? times + 1 : 0;
      last = now;
      return times > 20;
    },
    { what: 'the flow to stop' },
  );
}

/** How many connections are left; waits for none. */
async function left({ engine }: RunningEngine): Promise<number> {
  const options = { what: 'the connection to be released', timeoutMs: 10_000 };
  await until(() => engine.liveConnections === 0, options);
  return engine.liveConnections;
}

describe.each(ENGINES)('$name engine, when both sides break', ({ start }) => {
  const aPair = (onConnection?: (socket: Socket) => void) => pairOf(start, onConnection);

  it('releases connections that both sides reset at the same moment', async () => {
    const { backend, running, connect } = await aPair((socket) => socket.resume());
    for (let round = 0; round < 100; round++) {
      const client = await connect();
      await until(() => backend.sockets.length === 1, { what: 'the backend to be connected' });
      client.write('one more word');
      client.resetAndDestroy();
      backend.sockets[0]!.resetAndDestroy();
      expect(await left(running)).toBe(0);
      await until(() => backend.sockets.length === 0, { what: 'the backend to be rid of it' });
    }
  });

  it('releases connections that both sides reset at the same moment while the answer waits for its client', async () => {
    const { backend, running, connect } = await aPair((socket) => void socket.write(FLOOD));
    for (let round = 0; round < 10; round++) {
      const client = await connect();
      client.pause();
      await untilFull(running, 'bytesReceived');
      client.write('one more word');
      client.resetAndDestroy();
      backend.sockets[0]!.resetAndDestroy();
      expect(await left(running)).toBe(0);
      await until(() => backend.sockets.length === 0, { what: 'the backend to be rid of it' });
    }
  });

  it('releases a client that leaves before it has read what a backend said before its reset', async () => {
    const { backend, running, connect } = await aPair((socket) => void socket.write(FLOOD));
    const client = await connect();
    client.pause();
    await untilFull(running, 'bytesReceived');
    backend.sockets[0]!.resetAndDestroy();
    await until(() => backend.sockets.length === 0, { what: 'the backend to have gone' });
    client.resetAndDestroy();
    expect(await left(running)).toBe(0);
  });

  it('releases a client that waits for a backend that has gone while it uploaded', async () => {
    const { backend, running, connect } = await aPair((socket) => socket.pause());
    const client = await connect();
    client.write(FLOOD);
    await untilFull(running, 'bytesSent');
    const closed = once(client.resume(), 'end').catch((error: NodeJS.ErrnoException) => error.code);
    backend.sockets[0]!.resetAndDestroy();
    expect(await closed).toMatch(/ECONNRESET|EPIPE/);
    expect(await left(running)).toBe(0);
  });
});

/**
 * Node watches no stream that is paused, and closes one that cannot be written to, unread: by streams alone, neither of
 * the following can be had.
 */
const KNOWING = ENGINES.filter(({ name }) => name !== streamsEngine.name);

describe.each(KNOWING)('$name engine, when one side breaks', ({ start }) => {
  it('releases a backend that does not read when its client resets amid an upload', async () => {
    const { backend, running, connect } = await pairOf(start, (socket) => socket.pause());
    for (const share of [16, 12, 8, 6, 4, 3, 2, 1]) {
      const client = await connect();
      client.write(FLOOD.subarray(0, FLOOD.length / share));
      await until(() => client.bytesWritten > 0 && backend.sockets.length > 0, {
        what: 'the upload to begin',
      });
      client.resetAndDestroy();
      expect(await left(running)).toBe(0);
      for (const socket of backend.sockets) socket.destroy();
      await until(() => backend.sockets.length === 0, { what: 'the backend to be rid of it' });
    }
  });

  it('hands on what a backend has answered before it broke the upload off', async () => {
    const answer = 'too large';
    const { backend, running, connect } = await pairOf(start, (socket) => {
      socket.once('data', () => {
        socket.end(answer);
        setImmediate(() => socket.destroy());
      });
    });
    const uploads = Array.from({ length: 100 }, async () => {
      const client = await connect();
      client.on('drain', () => client.write(Buffer.alloc(65_536)));
      client.write(Buffer.alloc(1_048_576));
      await once(client.resume(), 'end').catch(() => {});
      client.destroy();
    });
    await Promise.all(uploads);
    expect(await left(running)).toBe(0);
    await until(() => backend.sockets.length === 0, { what: 'the backend to be rid of them' });
    expect(running.traffic.report().bytesReceived).toBe(uploads.length * answer.length);
  });
});
