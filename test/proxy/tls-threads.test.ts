import { createServer } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Logger } from '../../src/domain/ports.ts';
import type { TlsIdentity } from '../../src/domain/tls.ts';
import { systemNow } from '../../src/composition/system-clock.ts';
import { descriptorLimit } from '../../src/proxy/epoll/descriptor-limit.ts';
import { Directory } from '../../src/proxy/directory.ts';
import { type EngineNumbers, writeEngineNumbers } from '../../src/proxy/engine-numbers.ts';
import { newEngineParts } from '../../src/proxy/engine-parts.ts';
import { newSharedState, newsOf } from '../../src/proxy/shared-state.ts';
import { handshakeReportOf, newHandshakeCountersMemory } from '../../src/proxy/tls/handshake-counters.ts';
import { TlsEngine } from '../../src/proxy/tls/tls-engine.ts';
import { waitingIn } from '../../src/proxy/wait-queue.ts';
import { aBackend, aSet } from '../support/backends.ts';
import { aPair, type Pair } from '../support/certificates.ts';
import { anEchoBackend, exchange } from '../support/edge.ts';
import { KILLERS } from '../support/killers.ts';
import { silentLogger } from '../support/proxy.ts';
import { freePort, once, readAll, tcpConnect } from '../support/sockets.ts';
import { aTlsClient } from '../support/tls.ts';
import { until } from '../support/until.ts';

const MORTAL = new URL('../support/mortal-tls-thread.ts', import.meta.url);
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

interface Surroundings {
  /** Called each time that a thread is started. */
  readonly moduleOf?: () => URL;
  readonly logger?: Logger;
  readonly maxPerClient?: number;
  readonly maxWaiting?: number;
}

/** A TLS listener of one thread alone, in front of a backend that has room for two clients. */
async function anEngine({
  moduleOf = () => MORTAL,
  logger = silentLogger,
  maxPerClient = 1,
  maxWaiting = 0,
}: Surroundings = {}) {
  const echo = await anEchoBackend();
  const state = newSharedState(1, { maxBindings: 10 });
  const directory = new Directory(state, silentLogger);
  const parts = newEngineParts({
    state,
    numbers: {
      ...NUMBERS,
      limits: { maxConnections: 2 + maxWaiting, maxPerClient },
      queue: { maxWaiting, timeoutMs: 60_000 },
    },
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
    get module() {
      return moduleOf();
    },
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
    logger,
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
  return {
    engine,
    port,
    state,
    identity,
    underWay: () => handshakeReportOf(handshakes).underWay,
    waiting: () => waitingIn(parts.queue),
    numbersMemory: parts.numbersMemory,
    handshakes,
  };
}

describe('a TLS thread that dies', () => {
  it('is replaced: its connections are reset, and all that it held is free for others', async () => {
    const { engine, port, state, underWay } = await anEngine();
    const client = await aTlsClient(port);
    await exchange(client, 'hello');
    await Promise.all([kill(port), closed(client)]);
    expect(client.errored).toMatchObject({ code: 'ECONNRESET' });
    await until(() => engine.threads().deaths === 1 && engine.threads().alive === 1, {
      what: 'another thread',
    });
    expect([engine.liveConnections, state.occupancy.of(0), underWay()]).toEqual([0, 0, 0]);
    const clients = await until(() => twoClients(port), { what: 'the listener of the other thread' });
    for (const one of clients) await exchange(one, 'hello');
    expect(state.occupancy.of(0)).toBe(2);
  });

  it('is tried again when it cannot be started', async () => {
    const errors: object[] = [];
    const logger = {
      ...silentLogger,
      error: (fields: object, message: string) => void errors.push({ ...fields, message }),
    };
    const modules = [MORTAL, new URL('https://edge.test/no-file.ts')];
    const { port } = await anEngine({ moduleOf: () => modules.shift() ?? MORTAL, logger });
    await kill(port);
    const clients = await until(() => twoClients(port), { what: 'the listener of the other thread' });
    for (const one of clients) await exchange(one, 'hello');
    expect(errors).toMatchObject([{ thread: 0 }, { thread: 0, message: 'a TLS thread does not start' }]);
  });

  it('accepts nobody when it comes back while its engine is drained', async () => {
    const started = Promise.withResolvers<void>();
    let starts = 0;
    const moduleOf = (): URL => {
      if (++starts === 2) started.resolve();
      return MORTAL;
    };
    const { engine, port, identity } = await anEngine({ moduleOf });
    await kill(port);
    await started.promise;
    expect(engine.threads()).toEqual({ alive: 0, deaths: 1 });
    await engine.drain();
    await until(() => engine.threads().alive === 1, { what: 'the other thread' });
    // By then it would have done what it was told before.
    for (let round = 0; round < 5; round++) await engine.present(identity);
    await expect(aTlsClient(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('is not waited for when it cannot listen while its engine is drained', async () => {
    const outcome = Promise.withResolvers<unknown>();
    const logger: Logger = {
      ...silentLogger,
      error(_, message) {
        if (message !== 'a TLS thread cannot listen') return;
        outcome.resolve(Promise.all([engine.present(identity), engine.drain()]));
      },
    };
    const other = createServer();
    onTestFinished(() => void other.close());
    let starts = 0;
    const moduleOf = (): URL => {
      if (++starts === 2) other.listen({ port, host: '127.0.0.1' });
      return MORTAL;
    };
    const { engine, port, identity } = await anEngine({ moduleOf, logger });
    await kill(port);
    await outcome.promise;
    expect([starts, engine.threads()]).toEqual([2, { alive: 0, deaths: 1 }]);
  });
});

describe('a TLS client that waits for a place', () => {
  it('leaves the queue when it gives up, and keeps its place when it has asked and then ended', async () => {
    const { port, waiting } = await anEngine({ maxPerClient: 6, maxWaiting: 4 });
    const holders = [await aTlsClient(port), await aTlsClient(port)];
    for (const one of holders) await exchange(one, 'hello');
    const asking = await aTlsClient(port);
    asking.end('asked');
    const giveUp = [await aTlsClient(port), await aTlsClient(port)];
    await until(() => waiting() === 3, { what: 'three to wait' });
    giveUp[0]!.end();
    giveUp[1]!.destroy();
    await until(() => waiting() === 1, { what: 'two to have left' });
    holders[0]!.destroy();
    expect(String(await readAll(asking))).toBe('asked');
  });
});

describe('the TLS listener', () => {
  it('is closed when a handshake succeeds while all clients are ended', async () => {
    const { engine, port, underWay } = await anEngine();
    await exchange(await aTlsClient(port), 'hello');
    const socket = await tcpConnect(port, '127.0.0.1', { localAddress: '127.0.0.2' });
    await until(() => underWay() === 1, { what: 'a handshake' });
    const closing = engine.close(400);
    // It has half of the time.
    const client = connectTls({ socket, rejectUnauthorized: false });
    client.on('error', () => {});
    await Promise.all([closing, closed(client)]);
    expect(engine.liveConnections).toBe(0);
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

/** Has a client kill the thread. */
async function kill(port: number): Promise<void> {
  await aTlsClient(port, { localAddress: KILLERS.atOnce }).catch(() => undefined);
}

/** Resolves when a connection is over, however it has ended. */
async function closed(socket: TLSSocket): Promise<void> {
  await new Promise((resolve) => socket.once('close', resolve));
}

/** As many as there may be, each from an address of its own; nothing while nobody listens. */
async function twoClients(port: number) {
  const attempts = ['127.0.0.1', '127.0.0.2'].map((localAddress) => aTlsClient(port, { localAddress }));
  const [one, other] = await Promise.allSettled(attempts);
  if (one?.status === 'fulfilled' && other?.status === 'fulfilled') return [one.value, other.value];
  // It would be in the way of the next one from its address.
  for (const attempt of [one, other]) if (attempt?.status === 'fulfilled') attempt.value.destroy();
  return undefined;
}
