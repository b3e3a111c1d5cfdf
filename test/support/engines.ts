import type { Backend } from '../../src/domain/backend.ts';
import type { EligibleSet } from '../../src/domain/eligibility.ts';
import type { PoolSettings } from '../../src/domain/pool.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type {
  ListenAddress,
  Logger,
  PoolSource,
  ProxyEngine,
  TrafficSource,
} from '../../src/domain/ports.ts';
import { systemNow } from '../../src/composition/system-clock.ts';
import { Affinity } from '../../src/proxy/affinity.ts';
import {
  ConnectionLimits,
  type ConnectionLimitsConfig,
  newConnectionLimitsMemory,
} from '../../src/proxy/connection-limits.ts';
import { newWaitQueueMemory, type WaitQueueConfig } from '../../src/proxy/wait-queue.ts';
import { Directory } from '../../src/proxy/directory.ts';
import { EpollEngine } from '../../src/proxy/epoll/epoll-engine.ts';
import { descriptorLimit } from '../../src/proxy/epoll/descriptor-limit.ts';
import { NetEngine } from '../../src/proxy/net-engine.ts';
import type { ProxyHeaderSettings } from '../../src/proxy/proxy-header-settings.ts';
import { type RateLimitConfig, RateLimiter } from '../../src/proxy/rate-limiter.ts';
import { createPoolSource } from '../../src/proxy/pool-report.ts';
import { Router } from '../../src/proxy/router.ts';
import { newSharedState, newsOf } from '../../src/proxy/shared-state.ts';
import { loadSys, type SysWay } from '../../src/proxy/sys/load-sys.ts';
import type { Timeouts } from '../../src/proxy/timeouts.ts';
import { createTrafficSource } from '../../src/proxy/traffic.ts';
import { aSet } from './backends.ts';
import { silentLogger } from './proxy.ts';

export interface EngineOptions extends Timeouts {
  readonly address: ListenAddress;
  readonly bindingTtlMs: number;
  readonly proxyHeaders: ProxyHeaderSettings;
  readonly rateLimit: RateLimitConfig | undefined;
  /** Absent: no limit. */
  readonly limits: ConnectionLimitsConfig | undefined;
  /** Absent: nobody may wait. */
  readonly waits: WaitQueueConfig | undefined;
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
  readonly engine: ProxyEngine & { readonly liveConnections: number };
  readonly port: number;
  readonly traffic: TrafficSource;
  readonly pool: PoolSource;
  readonly outcomes: readonly Outcome[];
  readonly apply: (backends: readonly Backend[]) => void;
  /** The same with gates; the version is given by the engine's owner. */
  readonly applyGated: (eligible: EligibleSet['eligible']) => void;
  /** Version of the newest set that is in force everywhere. */
  readonly inForce: () => number;
}

export interface EngineKind {
  readonly name: string;
  readonly start: (backends: readonly Backend[], options?: Partial<EngineOptions>) => Promise<RunningEngine>;
}

const DEFAULTS: EngineOptions = {
  address: { host: '127.0.0.1', port: 0 },
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
  logger: silentLogger,
  module: new URL('../../src/composition/data-thread.ts', import.meta.url),
  mostDescriptors: descriptorLimit(),
  clientCeiling: descriptorLimit(),
  luggage: undefined,
};

const ADDRESS_SETTING = 'EDGEPROXY_LISTEN_ADDR';
const MAX_BINDINGS = 1_000;

/** Without what cannot be sent to a thread. */
function timeoutsOf(options: EngineOptions): Timeouts {
  const { connectTimeoutMs, connectAttempts, idleTimeoutMs, halfClosedTimeoutMs, firstByteTimeoutMs } =
    options;
  return { connectTimeoutMs, connectAttempts, idleTimeoutMs, halfClosedTimeoutMs, firstByteTimeoutMs };
}

/** What both engines stand on, and what a test sees of them. */
function aBase(threads: number, options: EngineOptions) {
  const state = newSharedState(threads, { maxBindings: MAX_BINDINGS });
  const { counters, occupancy, memory } = state;
  const directory = new Directory(state, options.logger);
  const affinity = new Affinity({
    ttlMs: options.bindingTtlMs,
    now: systemNow,
    memory: memory.affinity,
    holder: threads + 1,
  });
  const { rateLimit } = options;
  const limiter = rateLimit && new RateLimiter({ ...rateLimit, now: systemNow, holder: threads + 1 });
  const limits =
    options.limits && new ConnectionLimits(newConnectionLimitsMemory(options.limits), threads + 1);
  const queue = options.waits && newWaitQueueMemory(options.waits, threads);
  const outcomes: Outcome[] = [];
  let version = 0;
  let inForce = 0;
  return {
    state,
    directory,
    affinity,
    limiter,
    limits,
    queue,
    outcomes,
    onOutcomes: (batch: readonly Outcome[]) => void outcomes.push(...batch),
    onInForce: (setVersion: number) => void (inForce = setVersion),
    async run(
      this: void,
      engine: RunningEngine['engine'],
      backends: readonly Backend[],
    ): Promise<RunningEngine> {
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
        const { port } = await engine.listen();
        const traffic = createTrafficSource({ counters, occupancy, slots: directory.slots, queue });
        const pool = createPoolSource(state.poolCounters, directory.slots);
        return { engine, port, traffic, pool, outcomes, apply, applyGated, inForce: () => inForce };
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
      const { state, directory, affinity, limiter, limits, queue, onOutcomes, onInForce, run } = aBase(
        1,
        options,
      );
      const { occupancy, gates, memory } = state;
      const counters = state.counters[0]!;
      const { pool } = options;
      const router = new Router({
        ownRegion: 'sa',
        geo: { isEmpty: true, locate: () => undefined },
        affinity,
        occupancy,
        gates,
        counters,
        news: newsOf(memory, 0),
        random: Math.random,
      });
      const engine = new NetEngine({
        ...options,
        pool: pool && { settings: pool, shares: state.poolShares, counters: state.poolCounters[0]! },
        timeouts: timeoutsOf(options),
        addressSetting: ADDRESS_SETTING,
        directory,
        limiter,
        limits,
        queue,
        router,
        counters,
        now: systemNow,
        onOutcomes,
        onInForce,
        usesStreams,
      });
      return run(engine, backends);
    },
  };
}

function epollEngine(name: string, sysWay: SysWay): EngineKind {
  return {
    name,
    async start(backends, given = {}) {
      const options = { ...DEFAULTS, ...given };
      const { threads, bindingTtlMs, proxyHeaders } = options;
      const { state, run, ...base } = aBase(threads, options);
      const engine = await EpollEngine.start({
        ...options,
        ...base,
        sys: await loadSys(sysWay),
        state,
        addressSetting: ADDRESS_SETTING,
        moduleData: {
          sysWay,
          geo: { cidrs: {}, regions: {}, geoipPath: undefined },
          luggage: options.luggage,
        },
        news: newsOf(state.memory, threads),
        now: systemNow,
        isAtEase: () => false,
        settings: {
          memory: state.memory,
          ownRegion: 'sa',
          bindingTtlMs,
          timeouts: timeoutsOf(options),
          proxyHeaders,
          rateLimit: base.limiter?.memory,
          limits: base.limits?.memory,
          queue: base.queue,
          pool: options.pool,
          pipeBytes: 1_048_576,
          clientCeiling: options.clientCeiling,
          splices: true,
          corksEnds: true,
          logsConnections: false,
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
      return run(engine, backends);
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
