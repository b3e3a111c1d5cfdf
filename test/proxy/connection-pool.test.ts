import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemNow } from '../../src/composition/system-clock.ts';
import { ConnectionPool, type PoolConfig } from '../../src/proxy/connection-pool.ts';
import { freePort, once, startTcpBackend } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const LONG: PoolConfig = {
  maxConnectionsPerBackend: 2,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 300_000,
  connectTimeoutMs: 5_000,
  now: systemNow,
};
const ID = 'backend-1';

const echo = (socket: Socket): void => void socket.pipe(socket);

async function aPool(config: Partial<PoolConfig> = {}) {
  const backend = await startTcpBackend(echo);
  const pool = new ConnectionPool({ ...LONG, ...config });
  onTestFinished(async () => {
    pool.close();
    await backend.close();
  });
  const endpoint = `127.0.0.1:${backend.port}`;
  const acquire = () => pool.acquire(ID, endpoint);
  const warm = (): number => pool.report().backends[0]?.warm ?? 0;
  /** Used once, so that some are warm. */
  const untilWarm = async (): Promise<void> => {
    const connection = await acquire();
    await ask(connection.socket);
    connection[Symbol.dispose]();
    await until(() => warm() > 0 && backend.sockets.length === warm(), { what: 'a warm connection' });
  };
  return { pool, backend, acquire, warm, untilWarm };
}

async function ask(socket: Socket): Promise<string> {
  socket.write('?');
  const [bytes] = await once(socket, 'data');
  return String(bytes);
}

describe('ConnectionPool', () => {
  it('gives each connection to one caller at a time, warm ones first, within the cap', async () => {
    const { acquire, backend, pool, untilWarm, warm } = await aPool();
    await untilWarm();
    const held = await Promise.all(Array.from({ length: 6 }, acquire));
    expect(new Set(held.map(({ socket }) => socket.localPort)).size).toBe(6);
    expect(held.some(({ isWarm }) => isWarm)).toBe(true);
    expect(await Promise.all(held.map(({ socket }) => ask(socket)))).toEqual(held.map(() => '?'));
    expect(warm()).toBeLessThanOrEqual(2);
    for (const connection of held) connection[Symbol.dispose]();
    await until(() => backend.sockets.length === warm(), { what: 'the used ones to be closed' });
    const { hits, misses } = pool.report().backends[0]!;
    expect(hits + misses).toBe(7);
  });

  it('takes back what was not used, and what its caller vouches for', async () => {
    const { acquire, pool, backend } = await aPool({ maxConnectionsPerBackend: 10 });
    const unused = await acquire();
    const { localPort } = unused.socket;
    unused[Symbol.dispose]();
    expect(pool.report().returned).toBe(1);
    const used = await acquire();
    expect([used.isWarm, used.socket.localPort]).toEqual([true, localPort]);
    await ask(used.socket);
    used.giveBack();
    used.giveBack();
    expect(pool.report().returned).toBe(2);
    const again = await acquire();
    expect(again.socket.localPort).toBe(localPort);
    expect(await ask(again.socket)).toBe('?');
    again[Symbol.dispose]();
    await until(() => !backend.sockets.some(({ remotePort }) => remotePort === localPort), {
      what: 'its end',
    });
  });

  it.each([
    ['data', (socket: Socket) => socket.write('hello')],
    ['closed', (socket: Socket) => socket.end()],
    ['error', (socket: Socket) => socket.resetAndDestroy()],
  ] as const)('throws away what has %s while it waits', async (reason, act) => {
    const { pool, backend, untilWarm, acquire } = await aPool();
    await untilWarm();
    act(backend.sockets[0]!);
    await until(() => pool.report().discarded[reason] === 1, { what: 'the discard' });
    const { socket } = await acquire();
    expect(await ask(socket)).toBe('?');
    socket.destroy();
  });

  it('says what is wrong', async () => {
    const pool = new ConnectionPool({ ...LONG, connectTimeoutMs: 1_000 });
    await expect(pool.acquire(ID, `127.0.0.1:${await freePort()}`)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
    await expect(pool.acquire(ID, 'localhost')).rejects.toThrow(
      'endpoint = "localhost": expected ADDRESS:PORT or [IPV6]:PORT',
    );
    pool.close();
    await expect(pool.acquire(ID, '127.0.0.1:1')).rejects.toThrow('the pool is closed');
    expect(() => new ConnectionPool({ ...LONG, idleTimeoutMs: 0 })).toThrow(
      'idleTimeoutMs = 0: expected a number above 0',
    );
  });

  it.each([true, false])(
    'ends nothing by a reset that comes before its caller listens, warm: %s',
    async (isWarm) => {
      const { acquire, backend, untilWarm } = await aPool();
      if (isWarm) await untilWarm();
      const connection = await acquire();
      expect(connection.isWarm).toBe(isWarm);
      const { socket } = connection;
      const own = () => backend.sockets.find(({ remotePort }) => remotePort === socket.localPort);
      await until(() => own() !== undefined, { what: 'the connection' });
      own()!.resetAndDestroy();
      socket.resume();
      await until(() => socket.destroyed, { what: 'the reset' });
      expect(socket.errored).toMatchObject({ code: 'ECONNRESET' });
      connection.giveBack();
    },
  );

  it('takes nothing over from an earlier caller', async () => {
    const { acquire, backend } = await aPool({ maxConnectionsPerBackend: 10 });
    const first = await acquire();
    const { socket } = first;
    const heard: string[] = [];
    const hear = (event: string) => socket.on(event, () => heard.push(event));
    for (const event of ['data', 'end', 'drain', 'timeout', 'readable', 'close', 'error', 'finish'])
      hear(event);
    socket.setTimeout(5);
    const source = new PassThrough();
    const sink = new PassThrough();
    source.pipe(socket);
    socket.pipe(sink);
    first.giveBack();
    const second = await acquire();
    expect(second.socket).toBe(socket);
    expect(socket.timeout).toBe(0);
    source.write('of the first');
    expect(await ask(socket)).toBe('?');
    expect(sink.readableLength).toBe(0);
    socket.destroy();
    await until(() => backend.sockets.every(({ remotePort }) => remotePort !== socket.localPort), {
      what: 'its end',
    });
    expect(heard).toEqual([]);
  });

  it('does not take one back that decodes what it reads', async () => {
    const { acquire, pool } = await aPool();
    const connection = await acquire();
    connection.socket.setEncoding('utf8');
    connection.giveBack();
    expect(connection.socket.destroyed).toBe(true);
    expect(pool.report().returned).toBe(0);
  });

  it('closes what waits when it is closed, and nothing that is lent', async () => {
    const { pool, backend, untilWarm, acquire } = await aPool();
    await untilWarm();
    const lent = await acquire();
    pool.close();
    await until(() => backend.sockets.length === 1, { what: 'one connection' });
    expect(await ask(lent.socket)).toBe('?');
    lent.giveBack();
    await until(() => backend.sockets.length === 0, { what: 'none' });
  });
});
