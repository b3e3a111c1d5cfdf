import type { GeoResolverOptions } from '../adapters/geo/geo-resolver.ts';
import type { Settings } from '../config/schema.ts';
import type { RateLimit } from '../domain/token-bucket.ts';
import type { Apps } from '../proxy/apps.ts';
import type { EngineLists } from '../proxy/engine-lists.ts';
import type { EngineNumbers } from '../proxy/engine-numbers.ts';
import { clientCeiling } from '../proxy/epoll/descriptor-limit.ts';
import type { TuningSettings } from '../proxy/epoll/tuning.ts';
import type { RateLimitConfig } from '../proxy/rate-limiter.ts';

const KEEP_ALIVE_SECS = 60;

/** The numbers that an engine goes by. @param mostDescriptors that this process may have open */
export function numbersOf(settings: Settings, mostDescriptors: number): EngineNumbers {
  const { binding, proxy_protocol: header, queue, pool, health_check: health } = settings;
  const probes = health.enabled ? health.max_in_flight : 0;
  return {
    timeouts: {
      connectTimeoutMs: settings.connect_timeout_secs * 1000,
      connectAttempts: settings.connect_attempts,
      idleTimeoutMs: settings.idle_timeout_secs * 1000,
      halfClosedTimeoutMs: settings.half_closed_timeout_secs * 1000,
      firstByteTimeoutMs: settings.first_byte_timeout_secs * 1000,
    },
    binding: { ttlMs: binding.ttl_secs * 1000 },
    header: { timeoutMs: header.timeout_secs * 1000 },
    hello: { timeoutMs: settings.tls.hello_timeout_secs * 1000 },
    limits: {
      maxConnections: settings.max_connections,
      maxPerClient: settings.max_connections_per_client,
    },
    queue: { maxWaiting: queue.max, timeoutMs: queue.timeout_secs * 1000 },
    pool: {
      isOn: pool.enabled,
      maxPerBackend: pool.max_per_backend,
      idleTimeoutMs: pool.idle_timeout_secs * 1000,
      maxLifetimeMs: pool.max_lifetime_secs * 1000,
      connectTimeoutMs: pool.connect_timeout_secs * 1000,
    },
    handshakes: {
      timeoutMs: settings.tls.handshake_timeout_secs * 1000,
      maxUnderWay: settings.tls.max_handshakes,
    },
    log: { isDetailed: settings.log_level === 'debug' },
    descriptors: { clientCeiling: clientCeiling(mostDescriptors, probes) },
  };
}

/** @param apps gives the apps their numbers; fails with `ERR_LISTEN` when there are too many */
export function listsOf(settings: Settings, apps: Apps): Omit<EngineLists, 'geo'> {
  const { mode, default_app: standard, server_names: names } = settings.tls;
  // A listener without names that speaks TLS itself is as one that does not.
  const isForAll = mode === 'terminate' && standard === undefined && Object.keys(names).length === 0;
  return {
    trusted: settings.proxy_protocol.trusted,
    exempt: settings.rate_limit.exempt,
    serverNames: {
      entries: Object.entries(names).map(([name, app]) => [name, apps.of(app)]),
      otherwise: isForAll || standard !== undefined ? apps.of(standard) : undefined,
    },
  };
}

export function geoOptionsOf({ geoip: { cidrs, regions, path } }: Settings): GeoResolverOptions {
  return { cidrs, regions, geoipPath: path };
}

export function rateLimitOf({ rate_limit: limit }: Settings): RateLimit {
  return { maxRequests: limit.max_requests, windowMs: limit.window_secs * 1000, burstSize: limit.burst };
}

export function rateLimiterOf(settings: Settings): RateLimitConfig {
  const { rate_limit: limit } = settings;
  return {
    ...rateLimitOf(settings),
    isOn: limit.enabled,
    maxClients: limit.max_clients,
    ipv6Prefix: limit.ipv6_prefix,
    exempt: limit.exempt,
  };
}

export function tuningOf({ tcp }: Settings): TuningSettings {
  return {
    clientCongestion: tcp.congestion,
    backendCongestion: tcp.backend_congestion ?? tcp.congestion,
    delaysAcks: tcp.delay_acks,
    noDelay: tcp.no_delay,
    deferAcceptSecs: tcp.defer_accept_secs,
    fastOpenQueue: tcp.fast_open_queue,
    keepAliveSecs: KEEP_ALIVE_SECS,
  };
}
