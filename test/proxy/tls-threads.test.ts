import type { TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { systemNow } from '../../src/composition/system-clock.ts';
import { descriptorLimit } from '../../src/proxy/epoll/descriptor-limit.ts';
import type { TlsIdentity } from '../../src/domain/tls.ts';
import { Directory } from '../../src/proxy/directory.ts';
import { type EngineNumbers, writeEngineNumbers } from '../../src/proxy/engine-numbers.ts';
import { newEngineParts } from '../../src/proxy/engine-parts.ts';
import { newSharedState, newsOf } from '../../src/proxy/shared-state.ts';
import { handshakeReportOf, newHandshakeCountersMemory } from '../../src/proxy/tls/handshake-counters.ts';
import { TlsEngine } from '../../src/proxy/tls/tls-engine.ts';
import { aBackend, aSet } from '../support/backends.ts';
import { aPair, type Pair } from '../support/certificates.ts';
import { anEchoBackend, exchange } from '../support/edge.ts';
import { KILLERS } from '../support/killers.ts';
import { silentLogger } from '../support/proxy.ts';
import { freePort } from '../support/sockets.ts';
import { aTlsClient } from '../support/tls.ts';
import { once } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const MORTAL = new URL('../support/mortal-tls-thread.ts', import.meta.url);
/** Descriptors, more than this process has. */
const MANY = 100_000;
const CIPHERS = 'TLS_AES_128_GCM_SHA256';

const NUMBERS: EngineNumbers = {
  timeouts: {
    connectTimeoutMs: 5_000,
    connectAttempts: 1,
    idleTimeoutMs: 0,
    halfClosedTimeoutMs: 0,
    firstByteTimeoutMs: 0,
  },
  binding: { ttlMs: 0 },
  header: { timeoutMs: 5_000 },
  hello: { timeoutMs: 5_000 },
  limits: { maxConnections: 2, maxPerClient: 1 },
  queue: { maxWaiting: 0, timeoutMs: 1_000 },
  pool: { maxPerBackend: 1, idleTimeoutMs: 1, maxLifetimeMs: 1, connectTimeoutMs: 1, isOn: false },
  handshakes: { timeoutMs: 5_000, maxUnderWay: 10 },
  log: { isDetailed: false },
  descriptors: { clientCeiling: descriptorLimit() },
};

let pair: Pair;

beforeAll(async () => {
  pair = await aPair();
});

/** A TLS listener of one thread alone, in front of a backend that has room for two clients. */
async function anEngine() {
  const echo = await anEchoBackend();
  const state = newSharedState(1, { maxBindings: 10 });
  const directory = new Directory(state, silentLogger);
  const parts = newEngineParts({
    state,
    numbers: NUMBERS,
    rateLimit: { maxRequests: 1, windowMs: 1, burstSize: 1, isOn: false },
    ipv6Prefix: 64,
    now: systemNow,
  });
  const handshakes = newHandshakeCountersMemory(1);
  const identity: TlsIdentity = {
    pairs: [{ ...pair, names: [], expiresMs: 0 }],
    minVersion: '1.3',
    ciphers: CIPHERS,
    alpn: [],
    clientAuth: 'off',
    clientCa: undefined,
    ticketKeys: new Uint8Array(48),
  };
  const engine = await TlsEngine.start({
    ...parts,
    state,
    directory,
    threads: 1,
    firstThread: 0,
    module: MORTAL,
    settings: {
      addressSetting: 'ADDRESS',
      memory: state.memory,
      handshakes,
      ownRegion: 'sa',
      numbers: parts.numbersMemory,
      lists: {
        trusted: [],
        exempt: [],
        geo: { cidrs: {}, regions: {}, database: undefined },
        serverNames: { entries: [], otherwise: parts.apps.of(undefined) },
      },
      limits: parts.limits.memory,
      queue: parts.queue,
      rateLimit: parts.limiter.memory,
      identity,
    },
    news: newsOf(state.memory, 1),
    logger: silentLogger,
    now: systemNow,
    onOutcomes: () => {},
    onInForce: () => {},
    onDraining: () => {},
    isAtEase: () => true,
  });
  onTestFinished(() => engine.close(0));
  engine.route(directory.publish(aSet([aBackend({ id: 'a', port: echo.port, hardLimit: 2 })], 1)));
  // Nobody's while the next thread starts: none that a client may be given.
  const { port } = await engine.listen({ host: '127.0.0.1', port: await freePort() });
  const { numbersMemory } = parts;
  return {
    engine,
    port,
    identity,
    state,
    numbersMemory,
    handshakes,
    underWay: () => handshakeReportOf(handshakes).underWay,
  };
}

describe('a TLS thread that dies', () => {
  it('is replaced: its connections are reset, and all that it held is free for others', async () => {
    const { engine, port, state, underWay } = await anEngine();
    const client = await aTlsClient(port);
    await exchange(client, 'hello');
    const killer = aTlsClient(port, { localAddress: KILLERS.atOnce });
    await Promise.all([killer.catch(() => undefined), closed(client)]);
    expect(client.errored).toMatchObject({ code: 'ECONNRESET' });
    await until(() => engine.threads().deaths === 1 && engine.threads().alive === 1, {
      what: 'another thread',
    });
    expect([engine.liveConnections, state.occupancy.of(0), underWay()]).toEqual([0, 0, 0]);
    const clients = await until(() => twoClients(port), { what: 'the listener of the other thread' });
    for (const one of clients) await exchange(one, 'hello');
    expect(state.occupancy.of(0)).toBe(2);
  });
});

describe('other keys of tickets', () => {
  it('leave connections as they are; who comes with an older ticket shakes hands in full, and gets a new one', async () => {
    const { engine, port, identity } = await anEngine();
    const early = await aTlsClient(port);
    const [session] = (await once(early, 'session')) as [Buffer];
    await engine.present({ ...identity, ticketKeys: new Uint8Array(48).fill(1) });
    await exchange(early, 'still here');
    const from = { localAddress: '127.0.0.2' };
    const late = await aTlsClient(port, { ...from, session });
    expect(late.isSessionReused()).toBe(false);
    const [newer] = (await once(late, 'session')) as [Buffer];
    await exchange(late, 'hello');
    late.destroy();
    await until(() => engine.liveConnections === 1, { what: 'it to be gone' });
    const again = await aTlsClient(port, { ...from, session: newer });
    expect(again.isSessionReused()).toBe(true);
  });
});

describe('a TLS thread that is out of descriptors for clients', () => {
  it('closes who comes then, says so, and serves those who come when there are some again', async () => {
    const { port, state, numbersMemory, handshakes } = await anEngine();
    const early = await aTlsClient(port);
    writeEngineNumbers(numbersMemory, { ...NUMBERS, descriptors: { clientCeiling: 0 } });
    await expect(aTlsClient(port, { localAddress: '127.0.0.2' })).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    const [counters] = state.counters;
    expect([counters!.total('acceptPauses'), counters!.total('accepted')]).toEqual([1, 1]);
    await exchange(early, 'still here');
    // Each handshake under way will need another one.
    writeEngineNumbers(numbersMemory, { ...NUMBERS, descriptors: { clientCeiling: MANY } });
    Atomics.store(handshakes.underWay, 0, MANY);
    await expect(aTlsClient(port, { localAddress: '127.0.0.2' })).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    Atomics.store(handshakes.underWay, 0, 0);
    expect([counters!.total('acceptPauses'), counters!.total('accepted')]).toEqual([2, 1]);
    writeEngineNumbers(numbersMemory, NUMBERS);
    await exchange(await aTlsClient(port, { localAddress: '127.0.0.2' }), 'hello');
  });
});

/** Resolves when a connection is over, however it has ended. */
async function closed(socket: TLSSocket): Promise<void> {
  await new Promise((resolve) => socket.once('close', resolve));
}

/** As many as there may be, each from an address of its own; nothing while nobody listens. */
async function twoClients(port: number) {
  const attempts = ['127.0.0.1', '127.0.0.2'].map((localAddress) => aTlsClient(port, { localAddress }));
  const [one, other] = await Promise.allSettled(attempts);
  return one?.status === 'fulfilled' && other?.status === 'fulfilled' ? [one.value, other.value] : undefined;
}
