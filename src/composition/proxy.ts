import { createGeoResolver } from '../adapters/geo/geo-resolver.ts';
import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type { Logger, MonotonicClock, OutcomeSink, ProxyEngine, TrafficSource } from '../domain/ports.ts';
import { Affinity } from '../proxy/affinity.ts';
import { Directory } from '../proxy/directory.ts';
import { NetEngine } from '../proxy/net-engine.ts';
import { Router } from '../proxy/router.ts';
import { newSharedState, newsOf } from '../proxy/shared-state.ts';
import { createTrafficSource } from '../proxy/traffic.ts';

export interface ProxyOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  readonly onOutcomes: OutcomeSink;
  readonly onInForce: () => void;
}

/** The socket side as the settings want it. */
export interface Proxy {
  readonly traffic: TrafficSource;
  readonly activeOf: (incarnation: string) => number;
  /** Forgets bindings that have expired. */
  readonly collectGarbage: () => void;
  /** Fails with `ERR_GEOIP`. */
  readonly createEngine: () => Promise<ProxyEngine>;
}

const PORTABLE_THREAD = 0;

export function createProxy({ settings, logger, now, onOutcomes, onInForce }: ProxyOptions): Proxy {
  const state = newSharedState(1);
  const { counters, occupancy, gates, memory } = state;
  const directory = new Directory(state, logger);
  const affinity = new Affinity({ ttlMs: settings.binding.ttl_secs * 1000, now, memory: memory.affinity });

  async function createEngine(): Promise<ProxyEngine> {
    const { cidrs, regions, path } = settings.geoip;
    const geo = await createGeoResolver({ cidrs, regions, geoipPath: path });
    const own = counters[PORTABLE_THREAD]!;
    const news = newsOf(memory, PORTABLE_THREAD);
    const ownRegion = settings.region;
    const random = Math.random;
    return new NetEngine({
      address: parseListenAddress(settings.listen_addr)!,
      addressSetting: 'EDGEPROXY_LISTEN_ADDR',
      directory,
      router: new Router({ ownRegion, geo, affinity, occupancy, gates, counters: own, news, random }),
      counters: own,
      logger,
      now,
      onOutcomes,
      onInForce,
      connectTimeoutMs: settings.connect_timeout_secs * 1000,
      connectAttempts: settings.connect_attempts,
      idleTimeoutMs: settings.idle_timeout_secs * 1000,
    });
  }

  return {
    traffic: createTrafficSource({ counters, occupancy, slots: directory.slots }),
    activeOf: (incarnation) => directory.activeOf(incarnation),
    collectGarbage: () => void affinity.collectGarbage(),
    createEngine,
  };
}
