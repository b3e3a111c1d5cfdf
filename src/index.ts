/**
 * The public exports of edgeproxy: what a program of your own may build on. Everything else is internal.
 *
 * Each part is documented at its definition; `examples/push-changes` shows several of them at work.
 */

export { EdgeProxyError, ERROR_CODES, type ErrorCode, messageOf } from './errors.ts';

// Domain: pure functions and the types of their data.
export {
  type Backend,
  endpointOf,
  incarnationOf,
  type ParsedRows,
  parseBackendRows,
  type SkippedRow,
} from './domain/backend.ts';
export type {
  OpenSubscription,
  RowsUpdate,
  SubscriptionHandlers,
  SubscriptionSession,
} from './domain/backend-source.ts';
export type {
  HealthCheck,
  HealthCheckSettings,
  HealthStatus,
  HealthVerdict,
  Probe,
  ProbeResult,
} from './domain/health.ts';
export { backoffDelayMs, type BackoffOptions } from './domain/backoff.ts';
export {
  deriveEligibleSet,
  EMPTY_SET,
  type EligibleSet,
  type ExcludedBackend,
  EXCLUSION_REASONS,
  type ExclusionReason,
  type CircuitGate,
  type EligibilityPolicy,
  type EligibleBackend,
  type Member,
  memberOf,
  OPEN_GATE,
} from './domain/eligibility.ts';
export {
  type ClientGeo,
  type CountryRegions,
  DEFAULT_COUNTRY_REGIONS,
  type GeoTier,
  geoTierOf,
  regionOf,
} from './domain/geo.ts';
export { BackendPicker, candidatesOf, loadScore } from './domain/load-balancing.ts';
export type { ListenAddress, Logger, MonotonicClock, Random } from './domain/ports.ts';
export type { BackendPoolReport, DiscardReason, PoolReport } from './domain/pool.ts';
export type { RateLimit } from './domain/token-bucket.ts';

// The pool of warm connections.
export { ConnectionPool, type PoolConfig, type PooledConnection } from './proxy/connection-pool.ts';

// The rate limiter.
export {
  type RateLimitConfig,
  RateLimiter,
  type RateLimiterMemory,
  type RateLimiterOptions,
} from './proxy/rate-limiter.ts';
export { systemNow } from './composition/system-clock.ts';

// Statecharts, and the actor that does the work of the subscription.
export {
  type BackendEmitted,
  type BackendEvent,
  type BackendInput,
  backendMachine,
  type BackendPhase,
  type DownPolicy,
  phaseOf,
} from './machines/backend.ts';
export {
  type CircuitBreakerEmitted,
  type CircuitBreakerEvent,
  type CircuitBreakerInput,
  circuitBreakerMachine,
  type CircuitBreakerSettings,
  circuitGateOf,
  type CircuitState,
  type TransitionCause,
} from './machines/circuit-breaker.ts';
export {
  type HealthCheckerEmitted,
  type HealthCheckerEvent,
  type HealthCheckerInput,
  healthCheckerMachine,
  healthStatusOf,
  type ProbeInput,
} from './machines/health-checker.ts';
export {
  type CloseInput,
  type LifecycleEmitted,
  type LifecycleEvent,
  type LifecycleInput,
  lifecycleMachine,
  type LifecycleOutput,
} from './machines/lifecycle.ts';
export {
  type PostgresSubscriptionEmitted,
  type PostgresSubscriptionInput,
  postgresSubscriptionMachine,
} from './machines/postgres-subscription.ts';
export { sessionActor, type SessionCommand, type SessionReport } from './machines/subscription-session.ts';

// Streams.
export { backendRows$, type BackendRowsOptions, type RowsEvent } from './streams/backend-rows.ts';
export { createProbe, type ProbeOptions } from './adapters/probes/probe.ts';
export {
  eligibleBackends$,
  type EligibleBackendsOptions,
  type MemberChange,
} from './streams/eligible-backends.ts';

// Metrics.
export { createMetrics, type Metrics, type MetricsOptions } from './adapters/prometheus/metrics.ts';
export type {
  BackendTraffic,
  EngineReport,
  EngineSource,
  FleetReport,
  FleetSource,
  RateLimitSource,
  TrafficReport,
  TrafficSource,
} from './domain/ports.ts';
export { REFUSAL_REASONS, TIMEOUT_KINDS, type RefusalReason, type TimeoutKind } from './domain/outcome.ts';

// PostgreSQL.
export { createBackendReader } from './adapters/postgres/backend-reader.ts';
export type { PostgresConnectionOptions } from './adapters/postgres/client-config.ts';
export { initialize, type InitializedSchema } from './adapters/postgres/initialize.ts';
export {
  createPostgresPool,
  type PostgresPool,
  type PostgresPoolOptions,
  type Query,
} from './adapters/postgres/pool.ts';
export { readBackends } from './adapters/postgres/read-backends.ts';
export { createOpenSubscription } from './adapters/postgres/subscription.ts';

// The daemon as a whole.
export type { Environment } from './config/environment.ts';
export { type LoadedSettings, loadSettings } from './config/load.ts';
export type { Origin } from './config/origin.ts';
export type { Settings } from './config/schema.ts';
export type { SettingsFile } from './config/toml-file.ts';
export { createDaemon, type Daemon, type DaemonAddresses, type DaemonOptions } from './daemon.ts';
