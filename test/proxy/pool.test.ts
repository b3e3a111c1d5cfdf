import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aBackend } from '../support/backends.ts';
import { addonEngine, ENGINES } from '../support/engines.ts';
import { aKiller } from '../support/killer-client.ts';
import { answer, aPool, aWarmPool, isWarmAlone, LONG, portsOf } from '../support/pools.ts';
import { once, readAll, startTcpBackend } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const SHORT_MS = 300;

/** As /proc/net/tcp has the timer that runs for a socket, and the states of one. */
const KEEP_ALIVE = '02';
const ESTABLISHED = '01';

/** What timers run for the connections of this machine to a port. */
async function timersTo(port: number): Promise<readonly string[]> {
  const [, ...lines] = (await readFile('/proc/net/tcp', 'utf8')).trim().split('\n');
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, , remote, state]) => state === ESTABLISHED && Number.parseInt(remote!.split(':')[1]!, 16) === port,
    )
    .map((fields) => fields[5]!.split(':')[0]!);
}

describe.each(ENGINES)('the pool of the $name engine', ({ start }) => {
  it('gives a client a connection that was there before, and opens another one in its stead', async () => {
    const { aClient, portOf, backend, of, traffic } = await aWarmPool(start);
    expect(of()).toMatchObject({ hits: 0, misses: 1 });
    const warm = portsOf(backend);
    const client = await aClient();
    expect(warm).toContain(await portOf(client));
    expect(of()).toMatchObject({ hits: 1, misses: 1 });
    await until(() => of().warm >= 1 && backend.sockets.length === of().warm + 1, { what: 'another one' });
    expect(traffic.report()).toMatchObject({
      active: 1,
      backends: [{ active: 1, connections: 2, errors: 0 }],
    });
  });

  it('never gives a connection to two clients', async () => {
    const { aClient, portOf, of } = await aWarmPool(start);
    const seen = new Set<number>();
    for (let round = 0; round < 40; round++) {
      const client = await aClient();
      seen.add(await portOf(client));
      client.destroy();
    }
    expect(seen.size).toBe(40);
    expect(of().hits).toBeGreaterThan(0);
  });

  it('opens nothing before the first client has come, and nothing at all when it is off', async () => {
    const { backend, aClient, portOf, of } = await aPool(start, {}, { pool: undefined });
    for (let round = 0; round < 3; round++) await portOf(await aClient());
    expect(backend.connections).toBe(3);
    expect(of()).toEqual({ backendId: 'b1', hits: 0, misses: 0, warm: 0 });
    const other = await aPool(start);
    expect(other.of()).toEqual({ backendId: 'b1', hits: 0, misses: 0, warm: 0 });
    expect(other.backend.connections).toBe(0);
  });

  it.each([
    ['data', (socket: Socket) => socket.write('hello?')],
    ['closed', (socket: Socket) => socket.end()],
    ['error', (socket: Socket) => socket.resetAndDestroy()],
  ] as const)('throws one away that has %s while nobody uses it', async (reason, act) => {
    const { backend, report, aClient, portOf, traffic, outcomes } = await aWarmPool(start);
    const [victim] = backend.sockets;
    const port = victim!.remotePort;
    act(victim!);
    await until(() => report().discarded[reason] === 1, { what: 'the discard' });
    const client = await aClient();
    expect(await portOf(client)).not.toBe(port);
    expect(traffic.report().backends).toMatchObject([{ errors: 0 }]);
    expect(outcomes.filter(({ result }) => result === 'failure')).toEqual([]);
  });

  it('throws one away that nobody has used for long, and is empty when nobody comes', async () => {
    const { report, of, backend } = await aWarmPool(start, { idleTimeoutMs: SHORT_MS });
    await until(() => report().discarded.idle >= 1 && of().warm === 0, { what: 'an empty pool' });
    await until(() => backend.sockets.length === 0, { what: 'no connection' });
    expect(report().connectFailures).toBe(0);
  });

  it('throws one away that has lived for long, and opens another one', async () => {
    const { report, of, backend } = await aWarmPool(start, { maxLifetimeMs: SHORT_MS });
    const old = portsOf(backend);
    await until(() => report().discarded.lifetime >= old.length && of().warm > 0, { what: 'others' });
    await until(() => backend.sockets.length > 0 && portsOf(backend).every((p) => !old.includes(p)), {
      what: 'the old ones to be gone',
    });
    expect(report().connectFailures).toBe(0);
  });

  it('takes a connection back whose client has left without a byte, and gives it to the next one', async () => {
    const { aClient, applied, portOf, report, of, backend, traffic } = await aWarmPool(start);
    for (const [round, leave] of [
      (client: Socket) => client.end(),
      (client: Socket) => client.resetAndDestroy(),
    ].entries()) {
      const silent = await aClient();
      await until(() => of().hits === 2 * round + 1, { what: 'a hit' });
      leave(silent);
      await until(() => report().returned === round + 1, { what: 'its return' });
      await until(() => traffic.activeClients() === 0, { what: 'the end' });
      expect(traffic.report().backends).toMatchObject([{ active: 0, errors: 0 }]);
      await until(() => backend.sockets.length === of().warm, { what: 'all warm ones' });
      const warm = portsOf(backend);
      const next = await aClient();
      const port = await portOf(next);
      expect(warm).toContain(port);
      next.destroy();
      await until(() => of().warm > 0 && isWarmAlone({ of, backend }) && !portsOf(backend).includes(port), {
        what: 'it to be gone',
      });
      await applied();
    }
    expect(report().discarded).toMatchObject({ data: 0, closed: 0, stale: 0 });
  });

  it('passes everything on that a client of the pool sends and gets, and its end', async () => {
    const { aClient, of } = await aWarmPool(start, {}, {}, (socket) => socket.pipe(socket));
    // The echo of the question was the answer.
    const client = await aClient();
    await until(() => of().hits === 1, { what: 'a hit' });
    const bytes = Buffer.alloc(1_000_000, 'edgeproxy');
    client.end(bytes);
    expect((await readAll(client)).equals(bytes)).toBe(true);
  });

  it('dials afresh when the connection dies before the first byte of its client, at nobody’s charge', async () => {
    const { aClient, applied, backend, of, report, traffic, outcomes, portOf } = await aWarmPool(start);
    for (const [round, end] of [
      (socket: Socket) => socket.destroy(),
      (socket: Socket) => socket.resetAndDestroy(),
    ].entries()) {
      await until(() => of().warm > 0 && isWarmAlone({ of, backend }), { what: 'a warm connection' });
      await applied();
      const client = await aClient();
      await until(() => of().hits === round + 1, { what: 'a hit' });
      await until(() => backend.sockets.length === of().warm + 1, { what: 'all that were opened' });
      // Whichever it has.
      for (const socket of backend.sockets) end(socket);
      await until(() => report().discarded.stale === round + 1, { what: 'a dead connection' });
      await portOf(client);
      // One more for each client, however often it was dialled.
      const connections = round + 2;
      expect(traffic.report().backends).toMatchObject([{ active: 1, connections, errors: 0 }]);
      client.destroy();
      await until(() => traffic.activeClients() === 0, { what: 'the end' });
    }
    expect(outcomes.filter(({ result }) => result === 'failure')).toEqual([]);
  });

  it('closes those of a backend that leaves, or moves, at once', async () => {
    const { apply, backend, report, row } = await aWarmPool(start);
    const moved = await startTcpBackend(answer);
    onTestFinished(() => moved.close());
    apply([{ ...row, port: moved.port }]);
    await until(() => backend.sockets.length === 0, { what: 'none at the old address' });
    expect(report().discarded.backend_left).toBeGreaterThan(0);
    expect(moved.connections).toBe(0);
  });

  it('opens nothing to a backend whose circuit is half-open, or that is full', async () => {
    const limited = await aPool(start);
    limited.applyGated([{ backend: limited.row, gate: { epoch: 2, grant: 2, permits: 5 } }]);
    await until(() => limited.inForce() === 2, { what: 'the set' });
    for (let round = 0; round < 3; round++) await limited.portOf(await limited.aClient());
    expect(limited.backend.connections).toBe(3);

    const full = await aPool(start, {}, {}, answer, { hardLimit: 2 });
    const clients = [await full.aClient(), await full.aClient()];
    for (const client of clients) await full.portOf(client);
    await until(() => full.of().warm === 0 && full.backend.sockets.length === 2, { what: 'two connections' });
    expect(full.traffic.report().backends).toMatchObject([{ active: 2 }]);
  });

  it('gives up on a backend that cannot be connected to, without a charge and without a storm', async () => {
    const { backend, report, outcomes, of } = await aWarmPool(start);
    await backend.close();
    await until(() => report().connectFailures > 0, { what: 'a failed connect' });
    await until(() => of().warm === 0, { what: 'none' });
    expect(report().connectFailures).toBeLessThanOrEqual(LONG.maxPerBackend);
    expect(outcomes.filter(({ result }) => result === 'failure')).toEqual([]);
  });

  it('is there for a backend beside one to which a connect fails at once', async () => {
    const { aClient, applied, portOf, row, pool } = await aPool(start);
    const unreachable = aBackend({ id: 'unreachable', host: '255.255.255.255', port: 9 });
    const numbersOf = (id: string) => pool.report().backends.find(({ backendId }) => backendId === id)!;
    await applied([unreachable]);
    await readAll(await aClient());
    expect(numbersOf('unreachable')).toMatchObject({ misses: 1 });
    await applied([unreachable, row]);
    await until(
      async () => {
        const client = await aClient();
        await portOf(client);
        client.destroy();
        return numbersOf(row.id).warm > 0 && pool.report().connectFailures > 0;
      },
      { what: 'a warm connection' },
    );
    expect(numbersOf('unreachable').warm).toBe(0);
  });

  it.runIf(process.platform === 'linux')(
    'has the kernel look whether what is warm is still there',
    async () => {
      const { backend, of } = await aWarmPool(start);
      const isWatched = async (): Promise<boolean> => {
        const timers = await timersTo(backend.port);
        return timers.length === of().warm && timers.every((timer) => timer === KEEP_ALIVE);
      };
      await expect(until(isWatched, { what: 'a timer of the kernel for each' })).resolves.toBe(true);
    },
  );

  it('gives no warm connection to a trial of a circuit that is half-open', async () => {
    const { applyGated, row, inForce, aClient, portOf, of, backend } = await aWarmPool(start);
    const warm = portsOf(backend);
    const before = inForce();
    applyGated([{ backend: row, gate: { epoch: 2, grant: 2, permits: 1 } }]);
    await until(() => inForce() > before, { what: 'the set' });
    expect(warm).not.toContain(await portOf(await aClient()));
    expect(of().hits).toBe(0);
  });

  it('is closed at once when the engine drains, and does not delay that', async () => {
    const { engine, backend, report, of } = await aWarmPool(start);
    await engine.drain();
    await until(() => backend.sockets.length === 0, { what: 'none' });
    expect(of().warm).toBe(0);
    expect(report().discarded.shutdown).toBeGreaterThan(0);
  });

  it('leaves backends alone that are sent PROXY headers', async () => {
    const { backend, aClient, of } = await aPool(start, {}, {}, answer, { proxyProtocol: 'v1' });
    const client = await aClient();
    client.write('x');
    await once(client, 'data');
    expect(of()).toMatchObject({ hits: 0, misses: 0, warm: 0 });
    expect(backend.connections).toBe(1);
  });
});

describe('the threads of an engine with a pool', () => {
  it('keep no more than the cap together, as the backend counts', async () => {
    const MAX = 3;
    let [open, most] = [0, 0];
    const { aClient, portOf, of, backend } = await aPool(
      addonEngine.start,
      { maxPerBackend: MAX },
      { threads: 4 },
      (socket) => {
        most = Math.max(most, ++open);
        socket.once('close', () => open--);
        answer(socket);
      },
    );
    for (let round = 0; round < 10; round++) {
      const clients = await Promise.all(Array.from({ length: 20 }, aClient));
      await Promise.all(clients.map(portOf));
      await until(() => backend.sockets.length <= clients.length + MAX, {
        what: 'at most the cap beside them',
      });
      for (const client of clients) client.destroy();
      await until(() => of().warm === backend.sockets.length, { what: 'only the warm ones' });
      expect(of().warm).toBeLessThanOrEqual(MAX);
    }
    expect(most).toBeLessThanOrEqual(20 * 2 + MAX);
  });

  it('give the share of a dead one back', async () => {
    const mortal = new URL('../support/mortal-data-thread.ts', import.meta.url);
    const { aClient, portOf, of, engine, port, backend } = await aWarmPool(
      addonEngine.start,
      { maxPerBackend: 2 },
      { module: mortal },
    );
    expect(of().warm).toBeGreaterThan(0);
    await aKiller(port);
    await until(() => engine.threads().deaths === 1 && engine.threads().alive === 1, { what: 'a death' });
    await until(() => of().warm === 0 && backend.sockets.length === 0, { what: 'nothing left' });
    await portOf(await aClient());
    await until(() => of().warm > 0, { what: 'a warm connection' });
  });
});
