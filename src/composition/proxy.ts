import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { geoResolverOf, openGeoSource } from '../adapters/geo/geo-resolver.ts';
import type { Settings } from '../config/schema.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';
import { Directory } from '../proxy/directory.ts';
import type { EngineLists } from '../proxy/engine-lists.ts';
import { writeEngineNumbers } from '../proxy/engine-numbers.ts';
import { newEngineParts } from '../proxy/engine-parts.ts';
import { checkCongestion } from '../proxy/epoll/check-congestion.ts';
import { checkFastOpen } from '../proxy/epoll/check-fast-open.ts';
import { descriptorLimit } from '../proxy/epoll/descriptor-limit.ts';
import { EpollEngine } from '../proxy/epoll/epoll-engine.ts';
import { type ClientEngine, JointEngine, OldestVersion } from '../proxy/joint-engine.ts';
import { attend } from '../proxy/epoll/thread-reports.ts';
import { NetEngine } from '../proxy/net-engine.ts';
import { PickRehearsal } from '../proxy/pick-rehearsal.ts';
import { createPoolSource } from '../proxy/pool-report.ts';
import { Router } from '../proxy/router.ts';
import { newSharedState, newsOf, poolOf } from '../proxy/shared-state.ts';
import { findSys, type FoundSys, SYS_WAYS } from '../proxy/sys/load-sys.ts';
import { createTrafficSource } from '../proxy/traffic.ts';
import type { DataThreadModuleData } from './data-thread.ts';
import type { EngineChoice, Proxy, ProxyOptions } from './proxy-interface.ts';
import { terminatesTls } from './proxy-listeners.ts';
import { TlsListener, tlsThreadsOf } from './tls-listener.ts';
import { geoOptionsOf, listsOf, numbersOf, rateLimiterOf, rateLimitOf, tuningOf } from './engine-settings.ts';

/** An engine, and what has it go by other lists and by numbers that have changed. */
interface Started {
  readonly engine: ClientEngine;
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
      throw new EdgeProxyError('ERR_ENGINE', `engine is epoll, but: ${found.reasons.join('; ')}`, {
        setting: 'engine',
      });
    logger.warn({ reasons: found.reasons }, 'the epoll engine does not work here, the portable one relays');
  }
  return portableProxy(options);
}

function waysOf({ syscalls }: Settings): readonly FoundSys['way'][] {
  return syscalls === 'auto' ? SYS_WAYS : [syscalls];
}

/** What is the same for both engines. */
function baseOf({ settings, logger, now }: ProxyOptions, threads: number, mostDescriptors: number) {
  const state = newSharedState(threads + tlsThreadsOf(settings));
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
  options: ProxyOptions,
  base: ReturnType<typeof baseOf>,
  choice: EngineChoice,
  start: (lists: EngineLists, onInForce: (version: number) => void) => Promise<Started>,
): Proxy {
  const { settings } = options;
  const { state, directory, parts, mostDescriptors, counters, occupancy } = base;
  const { apps, limiter, affinity, queue, numbersMemory } = parts;
  const { slots } = directory;
  const pool = createPoolSource(state.poolCounters, slots);
  let hasPooled = settings.pool.enabled;
  let hasLimited = settings.rate_limit.enabled;
  let inForce = settings;
  let lists: EngineLists | undefined;
  let started: Started | undefined;
  const tls = terminatesTls(settings)
    ? new TlsListener({ ...options, ...base, firstThread: choice.threads })
    : undefined;
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
      const versions = new OldestVersion(tls === undefined ? 1 : 2, (version) => {
        directory.inForce(version);
        options.onInForce(version);
      });
      await tls?.start(inForce, lists, (version) => versions.reached(1, version));
      try {
        started = await start(lists, (version) => versions.reached(0, version));
      } catch (error) {
        await tls?.engine.close(0);
        throw error;
      }
      return new JointEngine(directory, started.engine, tls === undefined ? [] : [tls.engine]);
    },
    tls,
    listenTls: async () => tls?.listen(),
    rereadCertificates() {
      tls?.reread();
      return tls !== undefined;
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
      await reconfigure(lists);
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
    await reconfigure(lists);
  }

  async function reconfigure(next: EngineLists): Promise<void> {
    await Promise.all([started!.reconfigure(next), tls?.reconfigure(inForce, next)]);
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
  const { settings, logger, now, isAtEase } = options;
  const base = baseOf(options, 1, descriptorLimit());
  const { state, directory, parts } = base;
  const { occupancy, gates, memory } = state;
  const counters = state.counters[0]!;
  return proxyOf(options, base, { engine: 'net', syscalls: 'none', threads: 1 }, (lists, onInForce) => {
    const engine = new NetEngine({
      ...parts,
      thread: 0,
      bells: state.bells,
      slots: directory.slots,
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
      onOutcomes(batch) {
        for (const { incarnation, result } of batch) {
          const slot = directory.slots.of(incarnation)?.slot;
          // TLS threads tell of successes while it has attention.
          if (slot !== undefined && result === 'failure') state.attention.failed(slot);
        }
        options.onOutcomes(batch);
        attend(batch, directory.slots, state.attention, isAtEase);
      },
      onInForce,
      trusted: lists.trusted,
      serverNames: lists.serverNames,
      pool: poolOf(state, 0),
    });
    const reconfigure = (next: EngineLists) => engine.reconfigure(next, geoResolverOf(next.geo));
    return Promise.resolve({ engine, reconfigure });
  });
}

function epollProxy(options: ProxyOptions, { sys, way }: FoundSys): Proxy {
  const { settings, logger, now, onOutcomes, isAtEase } = options;
  const threads = settings.threads === 0 ? availableParallelism() : settings.threads;
  const base = baseOf(options, threads, descriptorLimit());
  const { state, directory, parts, mostDescriptors } = base;
  const { tcp } = settings;
  const moduleData: DataThreadModuleData = { sysWay: way };
  return proxyOf(options, base, { engine: 'epoll', syscalls: way, threads }, async (lists, onInForce) => {
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
        news: newsOf(state.memory, state.counters.length),
        logger,
        now,
        onOutcomes,
        onInForce,
        isAtEase,
      });
      // Whoever runs Node's event loop rings; a data thread hears something else.
      for (let thread = 0; tlsThreadsOf(settings) > 0 && thread < threads; thread++)
        state.bells.listen(thread, () => engine.wake(thread));
      return { engine, reconfigure: (next) => engine.reconfigure(next) };
    } catch (error) {
      throw new EdgeProxyError('ERR_ENGINE', `a data thread does not start: ${messageOf(error)}`, {
        cause: error,
      });
    }
  });
}
