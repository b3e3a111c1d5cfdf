import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { geoResolverOf, openGeoSource } from '../adapters/geo/geo-resolver.ts';
import type { Settings } from '../config/schema.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
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
import { EdgeProxyError, messageOf } from '../errors.ts';
import { Directory } from '../proxy/directory.ts';
import type { EngineLists } from '../proxy/engine-lists.ts';
import { writeEngineNumbers } from '../proxy/engine-numbers.ts';
import { newEngineParts } from '../proxy/engine-parts.ts';
import { checkCongestion } from '../proxy/epoll/check-congestion.ts';
import { checkFastOpen } from '../proxy/epoll/check-fast-open.ts';
import { descriptorLimit } from '../proxy/epoll/descriptor-limit.ts';
import { EpollEngine } from '../proxy/epoll/epoll-engine.ts';
import { NetEngine } from '../proxy/net-engine.ts';
import { PickRehearsal, type RehearsedPick } from '../proxy/pick-rehearsal.ts';
import { createPoolSource } from '../proxy/pool-report.ts';
import { Router } from '../proxy/router.ts';
import { newSharedState, newsOf } from '../proxy/shared-state.ts';
import { findSys, type FoundSys, SYS_WAYS } from '../proxy/sys/load-sys.ts';
import { createTrafficSource } from '../proxy/traffic.ts';
import type { DataThreadModuleData } from './data-thread.ts';
import { geoOptionsOf, listsOf, numbersOf, rateLimiterOf, rateLimitOf, tuningOf } from './engine-settings.ts';

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
  readonly limiter: RateLimitSource;
  readonly pool: PoolSource;
  readonly activeOf: (incarnation: string) => number;
  /** Forgets bindings that have expired. */
  readonly collectGarbage: () => void;
  /** Fails with `ERR_GEOIP` or `ERR_ENGINE`. */
  readonly startEngine: () => Promise<ProxyEngine>;
  /**
   * Goes by other settings, but for those of geography; resolves when every thread does. Backends that do not say which
   * header they take, take that of the new settings with the next set.
   */
  readonly follow: (settings: Settings) => Promise<void>;
  /** Goes by the geography of other settings. Fails with `ERR_GEOIP`, and then all is as before. */
  readonly followGeography: (settings: Settings) => Promise<void>;
  /** Has all threads log at this level, or not take the trouble to. */
  readonly logAt: (level: Settings['log_level']) => void;
  /**
   * What a client would get that came now, by the set in force; `undefined` when it cannot be told at this moment, as
   * before the start of the engine.
   *
   * @param app that it comes for; default: that of `listen_addr`
   */
  readonly explain: (client: string, set: EligibleSet, app?: string) => RehearsedPick | undefined;
  /** Whether there is a GeoIP database. */
  readonly hasGeoFile: boolean;
  /** Reads it again, and what it says counts from then on. Fails with `ERR_GEOIP`, and then all is as before. */
  readonly rereadGeoFile: () => Promise<void>;
}

/** An engine, and what has it go by other lists and by numbers that have changed. */
interface Started {
  readonly engine: ProxyEngine;
  readonly reconfigure: (lists: EngineLists) => Promise<void>;
}

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

/** What is the same for both engines. */
function baseOf({ settings, logger, now }: ProxyOptions, threads: number, mostDescriptors: number) {
  const state = newSharedState(threads);
  const { counters, occupancy } = state;
  const parts = newEngineParts({
    state,
    numbers: numbersOf(settings, mostDescriptors),
    rateLimit: rateLimiterOf(settings),
    ipv6Prefix: settings.rate_limit.ipv6_prefix,
    now,
  });
  const directory = new Directory(state, logger, settings.proxy_protocol.send);
  return { state, directory, parts, mostDescriptors, counters, occupancy };
}

function proxyOf(
  { settings }: ProxyOptions,
  { state, directory, parts, mostDescriptors, counters, occupancy }: ReturnType<typeof baseOf>,
  choice: EngineChoice,
  start: (lists: EngineLists) => Promise<Started>,
): Proxy {
  const { apps, limiter, affinity, queue, numbersMemory } = parts;
  const { slots } = directory;
  const pool = createPoolSource(state.poolCounters, slots);
  let hasPooled = settings.pool.enabled;
  let hasLimited = settings.rate_limit.enabled;
  let inForce = settings;
  let lists: EngineLists | undefined;
  let started: Started | undefined;
  const rehearsal = new PickRehearsal({ ownRegion: settings.region, directory, state, affinity });
  const resolver = memoized(geoResolverOf);
  return {
    choice,
    limiter: { report: () => (hasLimited ? limiter.report() : undefined) },
    traffic: createTrafficSource({ counters, occupancy, slots, queue }),
    pool: { report: () => (hasPooled ? pool.report() : undefined) },
    activeOf: (incarnation) => directory.activeOf(incarnation),
    collectGarbage: () => void affinity.collectGarbage(),
    async startEngine() {
      lists = { ...listsOf(inForce, apps), geo: await openGeoSource(geoOptionsOf(inForce)) };
      started = await start(lists);
      return started.engine;
    },
    async follow(next) {
      lists = { ...lists!, ...listsOf(next, apps) };
      const isSameLimit = isDeepStrictEqual(rateLimiterOf(next), rateLimiterOf(inForce));
      inForce = { ...next, geoip: inForce.geoip };
      writeEngineNumbers(numbersMemory, numbersOf(next, mostDescriptors));
      if (!isSameLimit) limiter.change(rateLimitOf(next), next.rate_limit.enabled);
      hasPooled ||= next.pool.enabled;
      hasLimited ||= next.rate_limit.enabled;
      directory.header = next.proxy_protocol.send;
      await started!.reconfigure(lists);
    },
    logAt(level) {
      inForce = { ...inForce, log_level: level };
      writeEngineNumbers(numbersMemory, numbersOf(inForce, mostDescriptors));
    },
    explain: (client, set, app = inForce.app) =>
      lists && rehearsal.explain(client, set, resolver(lists.geo), apps.look(app)),
    async followGeography({ geoip }) {
      if (!isDeepStrictEqual(geoip, inForce.geoip)) await openGeography({ ...inForce, geoip });
    },
    get hasGeoFile() {
      return inForce.geoip.path !== undefined;
    },
    rereadGeoFile: () => openGeography(inForce),
  };

  async function openGeography(next: Settings): Promise<void> {
    lists = { ...lists!, geo: await openGeoSource(geoOptionsOf(next)) };
    inForce = next;
    await started!.reconfigure(lists);
  }
}

/** Remembers the last answer only. */
function memoized<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  let last: { readonly key: Key; readonly value: Value } | undefined;
  return (key) => {
    if (last?.key !== key) last = { key, value: make(key) };
    return last.value;
  };
}

function portableProxy(options: ProxyOptions): Proxy {
  const { settings, logger, now, onOutcomes, onInForce } = options;
  // Node keeps count of its descriptors itself.
  const base = baseOf(options, 1, 0);
  const { state, directory, parts } = base;
  const { occupancy, gates, memory, poolShares: shares } = state;
  const counters = state.counters[0]!;
  return proxyOf(options, base, { engine: 'net', syscalls: 'none', threads: 1 }, (lists) => {
    const engine = new NetEngine({
      ...parts,
      directory,
      router: new Router({
        ownRegion: settings.region,
        geo: geoResolverOf(lists.geo),
        affinity: parts.affinity,
        occupancy,
        gates,
        counters,
        news: newsOf(memory, 0),
        random: Math.random,
      }),
      counters,
      logger,
      now,
      onOutcomes,
      onInForce,
      trusted: lists.trusted,
      serverNames: lists.serverNames,
      pool: { shares, counters: state.poolCounters[0]! },
    });
    const reconfigure = (next: EngineLists) => engine.reconfigure(next, geoResolverOf(next.geo));
    return Promise.resolve({ engine, reconfigure });
  });
}

function epollProxy(options: ProxyOptions, { sys, way }: FoundSys): Proxy {
  const { settings, logger, now, onOutcomes, onInForce, isAtEase } = options;
  const threads = settings.threads === 0 ? availableParallelism() : settings.threads;
  const base = baseOf(options, threads, descriptorLimit());
  const { state, directory, parts, mostDescriptors } = base;
  const { tcp } = settings;
  const moduleData: DataThreadModuleData = { sysWay: way };
  return proxyOf(options, base, { engine: 'epoll', syscalls: way, threads }, async (lists) => {
    checkCongestion(sys, tcp);
    checkFastOpen(tcp.fast_open_queue, logger);
    try {
      const engine = await EpollEngine.start({
        ...parts,
        sys,
        threads,
        mostDescriptors,
        module: new URL(MODULE, import.meta.url),
        moduleData,
        settings: {
          memory: state.memory,
          ownRegion: settings.region,
          numbers: parts.numbersMemory,
          lists,
          rateLimit: parts.limiter.memory,
          limits: parts.limits.memory,
          queue: parts.queue,
          pipeBytes: tcp.pipe_kib * BYTES_PER_KIB,
          splices: tcp.splice,
          corksEnds: tcp.cork_ends,
          tuning: tuningOf(settings),
        },
        directory,
        state,
        news: newsOf(state.memory, threads),
        logger,
        now,
        onOutcomes,
        onInForce,
        isAtEase,
      });
      return { engine, reconfigure: (next) => engine.reconfigure(next) };
    } catch (error) {
      throw new EdgeProxyError('ERR_ENGINE', `a data thread does not start: ${messageOf(error)}`, {
        cause: error,
      });
    }
  });
}
