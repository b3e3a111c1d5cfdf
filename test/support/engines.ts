import { inspect } from 'node:util';
import type { Backend } from '../../src/domain/backend.ts';
import type { EligibleSet } from '../../src/domain/eligibility.ts';
import type { PoolSettings } from '../../src/domain/pool.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { ListenAddress, Logger, ProxyEngine, TrafficSource } from '../../src/domain/ports.ts';
import { systemNow } from '../../src/composition/system-clock.ts';
import type { Apps } from '../../src/proxy/apps.ts';
import { Directory } from '../../src/proxy/directory.ts';
import { EpollEngine } from '../../src/proxy/epoll/epoll-engine.ts';
import { descriptorLimit } from '../../src/proxy/epoll/descriptor-limit.ts';
import { type ClientEngine, JointEngine } from '../../src/proxy/joint-engine.ts';
import { NetEngine } from '../../src/proxy/net-engine.ts';
import type { EngineLists } from '../../src/proxy/engine-lists.ts';
import {
  type ConnectionBounds,
  type EngineNumbers,
  type QueueBounds,
  writeEngineNumbers,
} from '../../src/proxy/engine-numbers.ts';
import { newEngineParts } from '../../src/proxy/engine-parts.ts';
import type { RateLimitConfig } from '../../src/proxy/rate-limiter.ts';
import { StreamTransport } from '../../src/proxy/net/stream-wire.ts';
import { createPoolSource } from '../../src/proxy/pool-report.ts';
import { Router } from '../../src/proxy/router.ts';
import { newSharedState, newsOf, poolOf } from '../../src/proxy/shared-state.ts';
import { loadSys, type SysWay } from '../../src/proxy/sys/load-sys.ts';
import type { Timeouts } from '../../src/proxy/timeouts.ts';
import { createTrafficSource } from '../../src/proxy/traffic.ts';
import { aSet } from './backends.ts';
import { silentLogger } from './proxy.ts';

export interface EngineOptions extends Timeouts {
  readonly address: ListenAddress;
  /** Absent: clients are given every backend. */
  readonly app: string | undefined;
  /** Server name to app. */
  readonly serverNames: Readonly<Record<string, string>>;
  readonly defaultApp: string | undefined;
  readonly helloTimeoutMs: number;
  readonly bindingTtlMs: number;
  readonly proxyHeaders: { readonly trusted: readonly string[]; readonly timeoutMs: number };
  readonly rateLimit: RateLimitConfig | undefined;
  /** Absent: no limit. */
  readonly limits: (ConnectionBounds & { readonly ipv6Prefix: number }) | undefined;
  /** Absent: nobody may wait. */
  readonly waits: QueueBounds | undefined;
  readonly pool: PoolSettings | undefined;
  readonly threads: number;
  readonly logger: Logger;
  /** The module that a data thread runs. */
  readonly module: URL;
  /** Rows of the table of descriptors of a data thread. */
  readonly mostDescriptors: number;
  /** Descriptors from this number on are not for clients. */
  readonly clientCeiling: number;
  /** Sent to a data thread with what its module needs, anew for each one. */
  readonly luggage: unknown;
}

export interface RunningEngine {
  readonly engine: JointEngine;
  readonly port: number;
  readonly traffic: TrafficSource;
  readonly pool: ReturnType<typeof createPoolSource>;
  readonly outcomes: readonly Outcome[];
  readonly apply: (backends: readonly Backend[]) => void;
  /** The same with gates; the version is given by the engine's owner. */
  readonly applyGated: (eligible: EligibleSet['eligible']) => void;
  /** Version of the newest set that is in force everywhere. */
  readonly inForce: () => number;
  /** Has it go by other options where it may; resolves when all threads do. */
  readonly reconfigure: (changed: Partial<EngineOptions>) => Promise<void>;
}

export interface EngineKind {
  readonly name: string;
  readonly start: (backends: readonly Backend[], options?: Partial<EngineOptions>) => Promise<RunningEngine>;
}

/** What no engine should have to say is seen beside the failure of its test. */
const outspokenLogger: Logger = {
  ...silentLogger,
  error: (fields, msg) => void process.stderr.write(`${msg} ${inspect(fields)}\n`),
};

const DEFAULTS: EngineOptions = {
  address: { host: '127.0.0.1', port: 0 },
  app: undefined,
  serverNames: {},
  defaultApp: undefined,
  helloTimeoutMs: 5_000,
  connectTimeoutMs: 5_000,
  connectAttempts: 3,
  idleTimeoutMs: 0,
  halfClosedTimeoutMs: 0,
  firstByteTimeoutMs: 0,
  bindingTtlMs: 0,
  proxyHeaders: { trusted: [], timeoutMs: 5_000 },
  rateLimit: undefined,
  limits: undefined,
  waits: undefined,
  pool: undefined,
  threads: 2,
  logger: outspokenLogger,
  module: new URL('../../src/composition/data-thread.ts', import.meta.url),
  mostDescriptors: descriptorLimit(),
  clientCeiling: descriptorLimit(),
  luggage: undefined,
};

const ADDRESS_SETTING = 'EDGEPROXY_LISTEN_ADDR';
const MAX_BINDINGS = 1_000;
const NOWHERE = { isEmpty: true, locate: () => undefined };

const NO_GEO = { cidrs: {}, regions: {}, database: undefined };
const NO_RATE_LIMIT = { maxRequests: 1, windowMs: 1, burstSize: 1, isOn: false };
const NO_POOL = { maxPerBackend: 1, idleTimeoutMs: 1, maxLifetimeMs: 1, connectTimeoutMs: 1, isOn: false };

function numbersOf(options: EngineOptions): EngineNumbers {
  const { limits, waits, pool } = options;
  return {
    timeouts: options,
    binding: { ttlMs: options.bindingTtlMs },
    header: { timeoutMs: options.proxyHeaders.timeoutMs },
    hello: { timeoutMs: options.helloTimeoutMs },
    limits: limits ?? { maxConnections: 0, maxPerClient: 0 },
    queue: waits ?? { maxWaiting: 0, timeoutMs: 1_000 },
    pool: pool === undefined ? NO_POOL : { ...pool, isOn: true },
    handshakes: { timeoutMs: 1, maxUnderWay: 1 },
    log: { isDetailed: false },
    descriptors: { clientCeiling: options.clientCeiling },
  };
}

function listsOf(options: EngineOptions, apps: Apps): EngineLists {
  const { proxyHeaders, rateLimit, serverNames, defaultApp } = options;
  const entries = Object.entries(serverNames).map(([name, app]) => [name, apps.of(app)] as const);
  return {
    trusted: proxyHeaders.trusted,
    exempt: rateLimit?.exempt ?? [],
    geo: NO_GEO,
    serverNames: { entries, otherwise: defaultApp === undefined ? undefined : apps.of(defaultApp) },
  };
}

/** Has an engine listen at one address, and nowhere else. */
export async function listenAt(
  engine: Pick<ProxyEngine, 'listen'>,
  port: number,
  host = '127.0.0.1',
): Promise<ListenAddress> {
  const [bound] = await engine.listen([{ setting: ADDRESS_SETTING, address: { host, port } }]);
  return bound!;
}

/** What both engines stand on, and what a test sees of them. */
function aBase(threads: number, options: EngineOptions) {
  const state = newSharedState(threads, { maxBindings: MAX_BINDINGS });
  const { counters, occupancy } = state;
  const directory = new Directory(state, options.logger);
  const parts = newEngineParts({
    state,
    numbers: numbersOf(options),
    rateLimit: options.rateLimit ?? NO_RATE_LIMIT,
    ipv6Prefix: options.limits?.ipv6Prefix ?? 64,
    now: systemNow,
  });
  const outcomes: Outcome[] = [];
  let version = 0;
  let inForce = 0;
  return {
    state,
    directory,
    parts,
    outcomes,
    onOutcomes: (batch: readonly Outcome[]) => void outcomes.push(...batch),
    onInForce: (setVersion: number): void => {
      inForce = setVersion;
      directory.inForce(setVersion);
    },
    async run(
      this: void,
      own: ClientEngine,
      backends: readonly Backend[],
      reconfigureEngine: (lists: EngineLists) => Promise<void>,
    ): Promise<RunningEngine> {
      const engine = new JointEngine(directory, own);
      const applyGated = (eligible: EligibleSet['eligible']): void => {
        engine.apply({ version: ++version, eligible, excluded: [], isPanic: false });
      };
      const apply = (next: readonly Backend[]): void => {
        engine.apply(aSet(next, ++version));
        // Successes are told of backends that have failed: here of all.
        for (const slots of directory.slots.slotsById().values())
          for (const slot of slots) state.attention.failed(slot);
      };
      apply(backends);
      try {
        const [bound] = await engine.listen([
          { setting: ADDRESS_SETTING, address: options.address, app: options.app },
        ]);
        const { port } = bound!;
        const traffic = createTrafficSource({
          counters,
          occupancy,
          slots: directory.slots,
          queue: parts.queue,
        });
        const pool = createPoolSource(state.poolCounters, directory.slots);
        let present = options;
        const reconfigure = async (changed: Partial<EngineOptions>): Promise<void> => {
          present = { ...present, ...changed };
          writeEngineNumbers(parts.numbersMemory, numbersOf(present));
          const { isOn = true, ...limit } = present.rateLimit ?? NO_RATE_LIMIT;
          if ('rateLimit' in changed) parts.limiter.change(limit, isOn);
          await reconfigureEngine(listsOf(present, parts.apps));
        };
        return {
          engine,
          port,
          traffic,
          pool,
          outcomes,
          apply,
          applyGated,
          inForce: () => inForce,
          reconfigure,
        };
      } catch (error) {
        await engine.close(0);
        throw error;
      }
    },
  };
}

function portableEngine(name: string, usesStreams: boolean): EngineKind {
  return {
    name,
    start(backends, given = {}) {
      const options = { ...DEFAULTS, ...given };
      const { state, directory, parts, onOutcomes, onInForce, run } = aBase(1, options);
      const { occupancy, gates, memory } = state;
      const counters = state.counters[0]!;
      const router = new Router({
        ownRegion: 'sa',
        geo: NOWHERE,
        affinity: parts.affinity,
        occupancy,
        gates,
        counters,
        news: newsOf(memory, 0),
        random: Math.random,
      });
      const engine = new NetEngine({
        ...options,
        ...parts,
        ...listsOf(options, parts.apps),
        pool: poolOf(state, 0),
        thread: 0,
        bells: state.bells,
        slots: directory.slots,
        router,
        counters,
        now: systemNow,
        onOutcomes,
        onInForce,
        ...(usesStreams ? { transportOf: () => new StreamTransport() } : {}),
      });
      return run(engine, backends, (lists) => engine.reconfigure(lists, NOWHERE));
    },
  };
}

function epollEngine(name: string, sysWay: SysWay): EngineKind {
  return {
    name,
    async start(backends, given = {}) {
      const options = { ...DEFAULTS, ...given };
      const { threads } = options;
      const { state, run, parts, ...base } = aBase(threads, options);
      const engine = await EpollEngine.start({
        ...options,
        ...base,
        ...parts,
        sys: await loadSys(sysWay),
        state,
        moduleData: {
          sysWay,
          luggage: options.luggage,
        },
        news: newsOf(state.memory, threads),
        now: systemNow,
        isAtEase: () => false,
        settings: {
          memory: state.memory,
          ownRegion: 'sa',
          numbers: parts.numbersMemory,
          lists: listsOf(options, parts.apps),
          rateLimit: parts.limiter.memory,
          limits: parts.limits.memory,
          queue: parts.queue,
          pipeBytes: 1_048_576,
          splices: true,
          corksEnds: true,
          tuning: {
            clientCongestion: undefined,
            backendCongestion: undefined,
            delaysAcks: true,
            noDelay: true,
            deferAcceptSecs: 0,
            fastOpenQueue: 0,
            keepAliveSecs: 60,
          },
        },
      });
      return run(engine, backends, (lists) => engine.reconfigure(lists));
    },
  };
}

/** The portable engine on a free loopback port, unless said otherwise. */
export const netEngine = portableEngine('net', false);
/** The same by the public API of Node alone. */
export const streamsEngine = portableEngine('net, streams', true);
export const addonEngine = epollEngine('epoll, addon', 'addon');
export const ffiEngine = epollEngine('epoll, node:ffi', 'ffi');

export const ENGINES: readonly EngineKind[] = [netEngine, streamsEngine, addonEngine, ffiEngine];
