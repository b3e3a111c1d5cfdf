import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeV2 } from '../../src/domain/proxy-protocol/encode.ts';
import { parseProxyHeader } from '../../src/domain/proxy-protocol/parse-header.ts';
import { readTlvs, writeTlvs } from '../../src/domain/proxy-protocol/tlvs.ts';
import { aBackend } from '../support/backends.ts';
import { addonEngine, ENGINES } from '../support/engines.ts';
import { HOLD } from '../support/hold.ts';
import { answer, aPool, aWarmPool, isWarmAlone, portsOf } from '../support/pools.ts';
import { ascii, endpointsOf } from '../support/proxy-headers.ts';
import { once, startTcpBackend, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const PATIENT = { maxWaiting: 1_000, timeoutMs: 60_000 };
const NO_LIMIT = { maxConnections: 0, maxPerClient: 0, ipv6Prefix: 64 };
const ANNOUNCED = endpointsOf('203.0.113.7', 50_000, '198.51.100.9', 443);
const TRUSTED = { proxyHeaders: { trusted: ['127.0.0.2'], timeoutMs: 60_000 } };
const TLVS = writeTlvs([{ type: 0xe0, value: ascii('theirs') }]);

const isLinux = process.platform === 'linux';

describe.each(ENGINES)('the pool of the $name engine, with limits and a queue', ({ start }) => {
  it('gives a client that has waited the warm connection of one that has left without a byte', async () => {
    const pool = await aWarmPool(start, {}, { waits: PATIENT }, answer, { hardLimit: 1 });
    const { aClient, portOf, of, report, traffic, backend } = pool;
    const [warm] = portsOf(backend);
    const silent = await aClient();
    await until(() => of().hits === 1, { what: 'a hit' });
    const patient = await aClient();
    await until(() => traffic.report().waiting === 1, { what: 'one to wait' });
    silent.end();
    expect(await portOf(patient)).toBe(warm);
    expect(of()).toMatchObject({ hits: 2, misses: 1 });
    expect(report().returned).toBe(1);
    expect(traffic.report()).toMatchObject({
      queued: 1,
      waiting: 0,
      refused: { all_full: 0, queue_timeout: 0 },
    });
  });

  it('opens nothing while clients wait, and the backend never has more than its hard limit', async () => {
    let [open, most] = [0, 0];
    const pool = await aPool(
      start,
      {},
      { waits: PATIENT },
      (socket) => {
        most = Math.max(most, ++open);
        socket.once('end', () => open--);
        answer(socket);
      },
      { hardLimit: 3 },
    );
    const { aClient, portOf, of, traffic, backend, report } = pool;
    const clients = await Promise.all(Array.from({ length: 40 }, aClient));
    await Promise.all(
      clients.map(async (client) => {
        await portOf(client);
        client.destroy();
      }),
    );
    expect(most).toBe(3);
    expect(traffic.report().queued).toBe(37);
    // A connection for each client, and those that were kept when the last ones had nobody behind them.
    expect(backend.connections).toBeLessThanOrEqual(40 + of().warm + report().discarded.surplus);
    expect(report().discarded.surplus).toBeLessThanOrEqual(3);
    await until(() => traffic.activeClients() === 0 && of().warm > 0 && isWarmAlone(pool), {
      what: 'a warm connection again',
    });
  });

  it('counts nothing that is warm for a client', async () => {
    const limits = { ...NO_LIMIT, maxConnections: 2, maxPerClient: 2 };
    const { aClient, portOf, of, traffic } = await aWarmPool(start, {}, { limits, waits: PATIENT }, answer, {
      hardLimit: 2,
    });
    expect(of().warm).toBeGreaterThan(0);
    for (const client of [await aClient(), await aClient()]) await portOf(client);
    expect(traffic.report()).toMatchObject({
      active: 2,
      waiting: 0,
      queued: 0,
      refused: { max_connections: 0 },
    });
  });

  it('has a client that waits leave at once, and gives what is freed to the next one', async () => {
    const { aClient, portOf, traffic, of } = await aWarmPool(start, {}, { waits: PATIENT }, answer, {
      hardLimit: 1,
    });
    const first = await aClient();
    await portOf(first);
    const leaving = await aClient();
    await until(() => traffic.report().waiting === 1, { what: 'one to wait' });
    const patient = await aClient();
    await until(() => traffic.report().waiting === 2, { what: 'two to wait' });
    leaving.end();
    first.destroy();
    await portOf(patient);
    await until(() => traffic.activeClients() === 1, { what: 'one to be left' });
    expect(of()).toMatchObject({ hits: 1 });
    patient.destroy();
    await until(() => traffic.report().backends[0]!.active === 0 && of().warm > 0, {
      what: 'a warm connection',
    });
  });

  it('takes nothing back for a backend that has left meanwhile, and goes on', async () => {
    const { aClient, applied, of, backend, traffic, report, portOf } = await aWarmPool(start);
    const silent = await aClient();
    await until(() => of().hits === 1, { what: 'a hit' });
    await applied([]);
    await until(() => backend.sockets.length === 1, { what: 'none to be warm' });
    silent.end();
    await until(() => traffic.activeClients() === 0 && backend.sockets.length === 0, { what: 'the end' });
    expect(report().returned).toBe(0);
    await applied();
    await portOf(await aClient());
  });

  it('closes what is warm of a backend whose circuit is half-open', async () => {
    const { applyGated, row, of, backend, report } = await aWarmPool(start);
    applyGated([{ backend: row, gate: { epoch: 2, grant: 2, permits: 1 } }]);
    await until(() => of().warm === 0 && backend.sockets.length === 0, { what: 'none to be left' });
    expect(report().discarded.surplus).toBeGreaterThan(0);
  });

  it.runIf(isLinux)('tells the next backend whom a dead connection was for', async () => {
    const headers: Uint8Array[] = [];
    const told = await startTcpBackend((socket) => {
      socket.once('data', (bytes) => {
        headers.push(Buffer.from(bytes));
        socket.write('told');
      });
    });
    onTestFinished(() => told.close());
    const { backend, row, applied, of, port, report } = await aWarmPool(start, {}, TRUSTED, answer, {
      id: 'a',
    });
    const client = await tcpConnect(port, '127.0.0.1', { localAddress: '127.0.0.2' });
    onTestFinished(() => void client.destroy());
    client.write(encodeV2(ANNOUNCED, TLVS));
    await until(() => of().hits === 1, { what: 'a hit' });
    await applied([row, aBackend({ id: 'z', port: told.port, proxyProtocol: 'v2' })]);
    await backend.close();
    await until(() => report().discarded.stale === 1, { what: 'a dead connection' });
    client.write('hello');
    expect(String((await once(client, 'data'))[0])).toBe('told');
    const bytes = Buffer.concat(headers);
    const header = parseProxyHeader(bytes, bytes.length);
    expect(header).toMatchObject({ kind: 'header', endpoints: ANNOUNCED });
    if (header.kind !== 'header') return;
    const [tlv] = readTlvs(header.tlvs) ?? [];
    expect(tlv).toMatchObject({ type: 0xe0 });
    expect(Buffer.from(tlv!.value).toString()).toBe('theirs');
  });
});

function lowestFree(): number {
  const fd = openSync('/dev/null', 'r');
  closeSync(fd);
  return fd;
}

/** Opens descriptors until the next one has this number. */
function occupyUpTo(number: number): () => void {
  const held: number[] = [];
  for (let fd = openSync('/dev/null', 'r'); ; fd = openSync('/dev/null', 'r')) {
    held.push(fd);
    if (fd >= number - 1) break;
  }
  const release = (): void => {
    for (const fd of held.splice(0)) closeSync(fd);
  };
  onTestFinished(release);
  return release;
}

describe('the pool of a data thread', () => {
  it('opens none beyond three quarters of the descriptors that clients may have', async () => {
    const clientCeiling = lowestFree() + 400;
    const { aClient, portOf, of, report, backend } = await aPool(addonEngine.start, {}, { clientCeiling });
    const release = occupyUpTo(Math.ceil(clientCeiling * 0.75));
    for (let round = 0; round < 3; round++) await portOf(await aClient());
    expect(of()).toMatchObject({ hits: 0, misses: 3, warm: 0 });
    expect(report()).toMatchObject({ connectFailures: 0, discarded: { descriptors: 0 } });
    // Not even for a moment.
    expect(backend.connections).toBe(3);
    release();
    await until(
      async () => {
        const client = await aClient();
        await portOf(client);
        client.destroy();
        return of().warm > 0;
      },
      { what: 'a warm connection' },
    );
  });

  it('gives up what it has when clients have to wait for a descriptor', async () => {
    const clientCeiling = lowestFree() + 400;
    const pool = await aWarmPool(addonEngine.start, {}, { clientCeiling });
    const { aClient, applied, of, report, traffic, backend } = pool;
    // What comes back is kept beside what has been opened in its stead: more than the next client takes.
    const silent: Socket[] = [];
    while (silent.length < 2) {
      silent.push(await aClient());
      await until(
        () =>
          of().hits === silent.length &&
          of().warm > 0 &&
          backend.sockets.length === of().warm + silent.length,
        { what: 'a hit, and another one' },
      );
      await applied();
    }
    for (const client of silent) client.end();
    await until(() => report().returned === 2 && traffic.activeClients() === 0, { what: 'their return' });
    expect(of().warm).toBeGreaterThanOrEqual(3);
    await until(
      async () => {
        occupyUpTo(clientCeiling);
        await aClient();
        return report().discarded.descriptors > 0;
      },
      { what: 'the pool to give way' },
    );
    await until(() => of().warm === 0, { what: 'nothing to be warm' });
  });

  it('gives none to a trial of a circuit that is half-open, before it has heard of the set', async () => {
    const hold = new Int32Array(new SharedArrayBuffer(4));
    const module = new URL('../support/held-data-thread.ts', import.meta.url);
    const pool = await aWarmPool(addonEngine.start, {}, { module, luggage: hold });
    const { aClient, portOf, of, backend, applyGated, row } = pool;
    const warm = portsOf(backend);
    Atomics.store(hold, 0, HOLD.wanted);
    const client = await aClient();
    await until(() => Atomics.load(hold, 0) === HOLD.held, { what: 'the thread to hold' });
    applyGated([{ backend: row, gate: { epoch: 2, grant: 2, permits: 1 } }]);
    Atomics.store(hold, 0, HOLD.none);
    Atomics.notify(hold, 0);
    expect(warm).not.toContain(await portOf(client));
    expect(of().hits).toBe(0);
  });

  it('replaces a connection that has died unnoticed, before the first byte of its client goes through it', async () => {
    const hold = new Int32Array(new SharedArrayBuffer(4));
    const module = new URL('../support/held-data-thread.ts', import.meta.url);
    const pool = await aWarmPool(addonEngine.start, { maxPerBackend: 1 }, { module, luggage: hold });
    const { aClient, portOf, of, report, backend, traffic, outcomes } = pool;
    const dead = portsOf(backend);
    Atomics.store(hold, 0, HOLD.wanted);
    const client = await aClient();
    await until(() => Atomics.load(hold, 0) === HOLD.held, { what: 'the thread to hold' });
    const closed = backend.sockets.map((socket: Socket) => once(socket, 'close'));
    for (const socket of backend.sockets) socket.resetAndDestroy();
    await Promise.all(closed);
    Atomics.store(hold, 0, HOLD.none);
    Atomics.notify(hold, 0);
    expect(dead).not.toContain(await portOf(client));
    expect(of()).toMatchObject({ hits: 1, misses: 1 });
    expect(report().discarded).toMatchObject({ stale: 1, error: 0 });
    expect(traffic.report().backends).toMatchObject([{ active: 1, errors: 0 }]);
    expect(outcomes.filter(({ result }) => result === 'failure')).toEqual([]);
  });
});
