import { availableParallelism } from 'node:os';
import { createGeoResolver } from '../adapters/geo/geo-resolver.ts';
import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type {
  EngineReport,
  Logger,
  MonotonicClock,
  OutcomeSink,
  PoolSource,
  ProxyEngine,
  RateLimitSource,
  TrafficSource,
} from '../domain/ports.ts';
import type { PoolSettings } from '../domain/pool.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';
import { Affinity } from '../proxy/affinity.ts';
import { ConnectionLimits, newConnectionLimitsMemory } from '../proxy/connection-limits.ts';
import { Directory } from '../proxy/directory.ts';
import { checkCongestion } from '../proxy/epoll/check-congestion.ts';
import { checkFastOpen } from '../proxy/epoll/check-fast-open.ts';
import { clientCeiling, descriptorLimit } from '../proxy/epoll/descriptor-limit.ts';
import { EpollEngine } from '../proxy/epoll/epoll-engine.ts';
import { NetEngine } from '../proxy/net-engine.ts';
import { RateLimiter } from '../proxy/rate-limiter.ts';
import { createPoolSource } from '../proxy/pool-report.ts';
import { Router } from '../proxy/router.ts';
import { newSharedState, newsOf, type SharedState } from '../proxy/shared-state.ts';
import { findSys, type FoundSys, SYS_WAYS } from '../proxy/sys/load-sys.ts';
import type { Timeouts } from '../proxy/timeouts.ts';
import { createTrafficSource } from '../proxy/traffic.ts';
import { newWaitQueueMemory, type WaitQueueMemory } from '../proxy/wait-queue.ts';
import type { DataThreadModuleData } from './data-thread.ts';

export interface ProxyOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  /** The same in every thread. */
  readonly now: MonotonicClock;
  readonly onOutcomes: OutcomeSink;
  readonly onInForce: (setVersion: number) => void;
  readonly isAtEase: (incarnation: string) => boolean;
}

/** What is to relay. */
export interface EngineChoice extends Pick<EngineReport, 'engine' | 'syscalls'> {
  readonly threads: number;
}

/** The socket side as the settings want it. */
export interface Proxy {
  readonly choice: EngineChoice;
  readonly traffic: TrafficSource;
  /** Absent while there is no limit. */
  readonly limiter: RateLimitSource | undefined;
  /** Absent while connections are not kept warm. */
  readonly pool: PoolSource | undefined;
  readonly activeOf: (incarnation: string) => number;
  /** Forgets bindings that have expired. */
  readonly collectGarbage: () => void;
  /** Fails with `ERR_GEOIP` or `ERR_ENGINE`. */
  readonly startEngine: () => Promise<ProxyEngine>;
}

const LISTEN_SETTING = 'EDGEPROXY_LISTEN_ADDR';
const KEEP_ALIVE_SECS = 60;
const BYTES_PER_KIB = 1_024;
const MODULE = import.meta.url.endsWith('.ts') ? './data-thread.ts' : './data-thread.js';

/** Looks for what can relay here. Fails with `ERR_ENGINE` when the settings insist on what cannot. */
export async function createProxy(options: ProxyOptions): Promise<Proxy> {
  const { settings, logger } = options;
  const found = settings.engine === 'net' ? undefined : await findSys(waysOf(settings));
  if (found !== undefined && 'sys' in found) return epollProxy(options, found);
  if (found !== undefined) {
    if (settings.engine === 'epoll')
      throw new EdgeProxyError('ERR_ENGINE', `EDGEPROXY_ENGINE is epoll, but: ${found.reasons.join('; ')}`);
    logger.warn({ reasons: found.reasons }, 'the epoll engine does not work here, the portable one relays');
  }
  return portableProxy(options);
}

function waysOf({ syscalls }: Settings): readonly FoundSys['way'][] {
  return syscalls === 'auto' ? SYS_WAYS : [syscalls];
}

function geoOptionsOf({ geoip: { cidrs, regions, path } }: Settings) {
  return { cidrs, regions, geoipPath: path };
}

function commonOf({ settings, logger, now }: ProxyOptions, state: SharedState) {
  const { counters, occupancy, memory } = state;
  const directory = new Directory(state, logger, settings.proxy_protocol.send);
  const affinity = new Affinity({
    ttlMs: settings.binding.ttl_secs * 1000,
    now,
    memory: memory.affinity,
    holder: counters.length + 1,
  });
  const queue = queueOf(settings, counters.length);
  return {
    directory,
    affinity,
    limiter: limiterOf(settings, now, counters.length + 1),
    limits: limitsOf(settings, counters.length + 1),
    queue,
    traffic: createTrafficSource({ counters, occupancy, slots: directory.slots, queue }),
    pool: settings.pool.enabled ? createPoolSource(state.poolCounters, directory.slots) : undefined,
    activeOf: (incarnation: string) => directory.activeOf(incarnation),
    collectGarbage: () => void affinity.collectGarbage(),
  };
}

function proxyHeadersOf({ proxy_protocol: { trusted, timeout_secs: timeoutSecs } }: Settings) {
  return { trusted, timeoutMs: timeoutSecs * 1000 };
}

function limiterOf({ rate_limit: limit }: Settings, now: MonotonicClock, holder: number) {
  if (!limit.enabled) return undefined;
  return new RateLimiter({
    maxRequests: limit.max_requests,
    windowMs: limit.window_secs * 1000,
    burstSize: limit.burst,
    maxClients: limit.max_clients,
    ipv6Prefix: limit.ipv6_prefix,
    exempt: limit.exempt,
    now,
    holder,
  });
}

function limitsOf(settings: Settings, holder: number): ConnectionLimits | undefined {
  const { max_connections: maxConnections, max_connections_per_client: maxPerClient } = settings;
  if (maxConnections === 0 && maxPerClient === 0) return undefined;
  const config = { maxConnections, maxPerClient, ipv6Prefix: settings.rate_limit.ipv6_prefix };
  return new ConnectionLimits(newConnectionLimitsMemory(config), holder);
}

function queueOf({ queue }: Settings, threads: number): WaitQueueMemory | undefined {
  if (queue.max === 0) return undefined;
  return newWaitQueueMemory({ maxWaiting: queue.max, timeoutMs: queue.timeout_secs * 1000 }, threads);
}

function poolOf({ pool }: Settings): PoolSettings | undefined {
  if (!pool.enabled) return undefined;
  return {
    maxPerBackend: pool.max_per_backend,
    idleTimeoutMs: pool.idle_timeout_secs * 1000,
    maxLifetimeMs: pool.max_lifetime_secs * 1000,
    connectTimeoutMs: pool.connect_timeout_secs * 1000,
  };
}

function timeoutsOf(settings: Settings): Timeouts {
  return {
    connectTimeoutMs: settings.connect_timeout_secs * 1000,
    connectAttempts: settings.connect_attempts,
    idleTimeoutMs: settings.idle_timeout_secs * 1000,
    halfClosedTimeoutMs: settings.half_closed_timeout_secs * 1000,
    firstByteTimeoutMs: settings.first_byte_timeout_secs * 1000,
  };
}

function portableProxy(options: ProxyOptions): Proxy {
  const { settings, logger, now, onOutcomes, onInForce } = options;
  const state = newSharedState(1);
  const { directory, affinity, ...common } = commonOf(options, state);
  const counters = state.counters[0]!;
  const { occupancy, gates, memory } = state;
  return {
    ...common,
    choice: { engine: 'net', syscalls: 'none', threads: 1 },
    async startEngine() {
      const geo = await createGeoResolver(geoOptionsOf(settings));
      const ownRegion = settings.region;
      const pool = poolOf(settings);
      const [news, random] = [newsOf(memory, 0), Math.random];
      return new NetEngine({
        address: parseListenAddress(settings.listen_addr)!,
        addressSetting: LISTEN_SETTING,
        directory,
        limiter: common.limiter,
        limits: common.limits,
        queue: common.queue,
        router: new Router({ ownRegion, geo, affinity, occupancy, gates, counters, news, random }),
        counters,
        logger,
        now,
        onOutcomes,
        onInForce,
        timeouts: timeoutsOf(settings),
        proxyHeaders: proxyHeadersOf(settings),
        pool: pool && { settings: pool, shares: state.poolShares, counters: state.poolCounters[0]! },
      });
    },
  };
}

function epollProxy(options: ProxyOptions, { sys, way }: FoundSys): Proxy {
  const { settings, logger, now, onOutcomes, onInForce, isAtEase } = options;
  const threads = settings.threads === 0 ? availableParallelism() : settings.threads;
  const state = newSharedState(threads);
  const { directory, affinity, ...common } = commonOf(options, state);
  const { tcp } = settings;
  const moduleData: DataThreadModuleData = { sysWay: way, geo: geoOptionsOf(settings) };
  const { pipe_kib: pipeKib, splice: splices, cork_ends: corksEnds } = tcp;
  return {
    ...common,
    choice: { engine: 'epoll', syscalls: way, threads },
    async startEngine() {
      // Once here, where its errors have names: the threads open it again, each for itself.
      await createGeoResolver(moduleData.geo);
      checkCongestion(sys, tcp);
      checkFastOpen(tcp.fast_open_queue, logger);
      const mostDescriptors = descriptorLimit();
      const probes = settings.health_check.enabled ? settings.health_check.max_in_flight : 0;
      try {
        return await EpollEngine.start({
          sys,
          threads,
          mostDescriptors,
          module: new URL(MODULE, import.meta.url),
          moduleData,
          settings: {
            memory: state.memory,
            ownRegion: settings.region,
            bindingTtlMs: settings.binding.ttl_secs * 1000,
            rateLimit: common.limiter?.memory,
            limits: common.limits?.memory,
            queue: common.queue,
            pool: poolOf(settings),
            timeouts: timeoutsOf(settings),
            pipeBytes: pipeKib * BYTES_PER_KIB,
            clientCeiling: clientCeiling(mostDescriptors, probes),
            splices,
            corksEnds,
            proxyHeaders: proxyHeadersOf(settings),
            logsConnections: settings.log_level === 'debug',
            tuning: {
              clientCongestion: tcp.congestion,
              backendCongestion: tcp.backend_congestion ?? tcp.congestion,
              delaysAcks: tcp.delay_acks,
              noDelay: tcp.no_delay,
              deferAcceptSecs: tcp.defer_accept_secs,
              fastOpenQueue: tcp.fast_open_queue,
              keepAliveSecs: KEEP_ALIVE_SECS,
            },
          },
          address: parseListenAddress(settings.listen_addr)!,
          addressSetting: LISTEN_SETTING,
          directory,
          state,
          affinity,
          limiter: common.limiter,
          limits: common.limits,
          queue: common.queue,
          news: newsOf(state.memory, threads),
          logger,
          now,
          onOutcomes,
          onInForce,
          isAtEase,
        });
      } catch (error) {
        throw new EdgeProxyError('ERR_ENGINE', `a data thread does not start: ${messageOf(error)}`, {
          cause: error,
        });
      }
    },
  };
}
