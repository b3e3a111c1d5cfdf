import { constants } from 'node:os';
import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { OPEN_GATE } from '../../src/domain/eligibility.ts';
import { aBackend } from '../support/backends.ts';
import { addonEngine, ENGINES, type EngineOptions } from '../support/engines.ts';
import { FAULT, newFaults } from '../support/fault.ts';
import { answer, aWarmPool, portsOf } from '../support/pools.ts';
import { once, readAll, startTcpBackend } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const PATIENT = { maxWaiting: 1_000, timeoutMs: 60_000 };

type Pool = Awaited<ReturnType<typeof aWarmPool>>;

/** A client who has a warm connection and says nothing. */
async function aSilentClient({ aClient, of }: Pick<Pool, 'aClient' | 'of'>): Promise<Socket> {
  const hits = of().hits;
  const client = await aClient();
  await until(() => of().hits === hits + 1, { what: 'a hit' });
  return client;
}

/** The connections of a backend die. */
async function die({ backend, report }: Pick<Pool, 'backend' | 'report'>): Promise<void> {
  const before = report().discarded.stale;
  for (const socket of backend.sockets) socket.destroy();
  await until(() => report().discarded.stale === before + 1, { what: 'a dead connection' });
}

const MOVED_ON = { ...OPEN_GATE, epoch: 9, grant: 9 };

describe.each(ENGINES)('a client of the $name engine whose connection from the pool is dead', ({ start }) => {
  it('has its new connection begin with the PROXY header that its backend has come to want', async () => {
    const pool = await aWarmPool(start);
    const client = await aSilentClient(pool);
    await pool.applied([{ ...pool.row, proxyProtocol: 'v1' }]);
    await until(() => pool.of().warm === 0, { what: 'none to be warm' });
    await die(pool);
    client.write('hello');
    const [bytes] = await once(client, 'data');
    expect(String(bytes)).toMatch(/ PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n/);
    expect(pool.traffic.report().backends).toMatchObject([{ active: 1, connections: 2 }]);
  });

  it.each([
    ['has opened its circuit', { epoch: 2, grant: 2, permits: 0 }],
    ['lets in nobody', { ...OPEN_GATE, permits: 0 }],
  ])('goes to another backend when its own %s, and counts there as well', async (_, gate) => {
    const pool = await aWarmPool(start);
    const other = await startTcpBackend((socket) => socket.end('other'));
    onTestFinished(() => other.close());
    const client = await aSilentClient(pool);
    const { inForce, applyGated, row, traffic } = pool;
    const before = inForce();
    applyGated([
      { backend: row, gate },
      { backend: aBackend({ id: 'other', port: other.port }), gate: OPEN_GATE },
    ]);
    await until(() => inForce() > before, { what: 'the set' });
    await die(pool);
    expect(String(await readAll(client))).toBe('other');
    const connections = traffic.report().backends.map((each) => [each.backendId, each.connections]);
    expect(Object.fromEntries(connections)).toEqual({ b1: 2, other: 1 });
  });

  it('waits behind those who wait when its place is lost', async () => {
    const pool = await aWarmPool(start, {}, { waits: PATIENT }, answer, { hardLimit: 1 });
    const { aClient, portOf, inForce, applyGated, row, traffic } = pool;
    const client = await aSilentClient(pool);
    const patient = await aClient();
    await until(() => traffic.report().waiting === 1, { what: 'one to wait' });
    const before = inForce();
    applyGated([{ backend: row, gate: MOVED_ON }]);
    await until(() => inForce() > before, { what: 'the set' });
    await die(pool);
    await portOf(patient);
    expect(traffic.report()).toMatchObject({ waiting: 1, queued: 2, backends: [{ active: 1 }] });
    patient.destroy();
    await portOf(client);
    expect(traffic.report()).toMatchObject({ waiting: 0, refused: { all_full: 0 } });
  });

  it('waits when its backend is gone and all others are full', async () => {
    const pool = await aWarmPool(start, {}, { waits: PATIENT });
    const { aClient, applied, traffic } = pool;
    const other = await startTcpBackend((socket) => socket.once('data', () => socket.write('other')));
    onTestFinished(() => other.close());
    const client = await aSilentClient(pool);
    await applied([aBackend({ id: 'other', port: other.port, hardLimit: 1 })]);
    const first = await aClient();
    first.write('?');
    await once(first, 'data');
    await die(pool);
    await until(() => traffic.report().waiting === 1, { what: 'it to wait' });
    first.destroy();
    client.write('?');
    expect(String((await once(client, 'data'))[0])).toBe('other');
    expect(traffic.report()).toMatchObject({ waiting: 0, refused: { all_full: 0 } });
  });

  it('is ended with all others when it has come to wait after they were to be', async () => {
    const pool = await aWarmPool(start, {}, { waits: PATIENT });
    const { aClient, applied, traffic, engine, backend, portOf, of } = pool;
    const other = await startTcpBackend((socket) => socket.once('data', () => socket.write('other')));
    onTestFinished(() => other.close());
    const first = await aClient();
    await portOf(first);
    await until(() => of().warm > 0, { what: 'another warm connection' });
    await aSilentClient(pool);
    await applied([aBackend({ id: 'other', port: other.port, hardLimit: 1 })]);
    // Clients are ended by their descriptors: all that are free below the second one's are taken.
    const others = [];
    for (let count = 0; count < 12; count++) others.push(await aClient());
    const last = others.pop()!;
    for (const one of others) one.destroy();
    last.write('?');
    await once(last, 'data');
    await until(() => backend.sockets.length === 2, { what: 'the unused connections to be closed' });
    // The second one has a third of the time.
    const closing = engine.close(300);
    await once(first.resume(), 'close').catch(() => undefined);
    for (const socket of backend.sockets) socket.destroy();
    await closing;
    expect(traffic.report()).toMatchObject({ active: 0, waiting: 0 });
  });
});

/** An engine with a pool whose kernel fails on demand. */
async function aFaultyPool(options: Partial<EngineOptions> = {}, hardLimit = 150) {
  const faults = newFaults();
  const module = new URL('../support/faulty-data-thread.ts', import.meta.url);
  const given = { module, luggage: faults, ...options };
  const pool = await aWarmPool(addonEngine.start, {}, given, answer, { hardLimit });
  return { ...pool, faults };
}

describe('a data thread with a pool', () => {
  it('sends what a dead connection has not taken over the next one', async () => {
    const pool = await aFaultyPool();
    const client = await aSilentClient(pool);
    const warm = portsOf(pool.backend);
    Atomics.store(pool.faults, FAULT.write, 1);
    client.write('hello');
    const [bytes] = await once(client, 'data');
    const [port, text] = String(bytes).split(' ');
    expect(text).toBe('hello');
    expect(warm).not.toContain(Number(port));
    expect(pool.report().discarded.stale).toBe(1);
    expect(pool.traffic.report().backends).toMatchObject([{ active: 1, connections: 2, errors: 0 }]);
  });

  it('has a client wait for an answer who has said all that a dead connection did not take', async () => {
    const pool = await aFaultyPool({ waits: PATIENT }, 1);
    const { inForce, applyGated, row, traffic, aClient, portOf, faults } = pool;
    const client = await aSilentClient(pool);
    const patient = await aClient();
    await until(() => traffic.report().waiting === 1, { what: 'one to wait' });
    const before = inForce();
    applyGated([{ backend: row, gate: MOVED_ON }]);
    await until(() => inForce() > before, { what: 'the set' });
    Atomics.store(faults, FAULT.write, 1);
    client.write('hello');
    await portOf(patient);
    expect(traffic.report()).toMatchObject({ waiting: 1, queued: 2 });
    client.end();
    // By then the thread has seen the end.
    await pool.applied();
    patient.destroy();
    expect(String(await readAll(client))).toMatch(/ hello$/);
  });

  it.each(['ENFILE', 'ENOBUFS', 'ENOMEM'] as const)(
    'gives up what is warm for a client whose connect fails by %s',
    async (code) => {
      const { aClient, portOf, applied, row, of, report, faults, traffic } = await aFaultyPool();
      const other = await startTcpBackend((socket) => socket.end('other'));
      onTestFinished(() => other.close());
      // The next one goes to the other backend, where nothing is warm.
      await portOf(await aClient());
      await until(() => of().warm > 0, { what: 'a warm connection' });
      await applied([row, aBackend({ id: 'other', port: other.port })]);
      Atomics.store(faults, FAULT.dial, constants.errno[code]);
      expect(String(await readAll(await aClient()))).toBe('other');
      expect(report().discarded.descriptors).toBeGreaterThan(0);
      expect(of().warm).toBe(0);
      expect(traffic.report().refused).toMatchObject({ local_error: 0, connect_failed: 0 });
    },
  );
});
