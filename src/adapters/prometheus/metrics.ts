import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { EligibleSet } from '../../domain/eligibility.ts';
import { EXCLUSION_REASONS } from '../../domain/eligibility.ts';
import type {
  EngineReport,
  EngineSource,
  FleetReport,
  FleetSource,
  PoolSource,
  RateLimitSource,
  TrafficReport,
  TrafficSource,
} from '../../domain/ports.ts';
import type { TlsSource } from '../../domain/tls.ts';
import { externalHistogram } from './external-histogram.ts';
import { tlsMetrics } from './tls-metrics.ts';
import { poolMetrics } from './pool-metrics.ts';
import { type RegistrationMetrics, registrationMetrics } from './registration-metrics.ts';

export interface Metrics {
  readonly contentType: string;
  /** The exposition text. Reads the traffic once, so all numbers of a scrape belong together. */
  scrape(): Promise<string>;
  setApplied(set: EligibleSet): void;
  /** @param timeSeconds Unix time */
  rowsRead(timeSeconds: number): void;
  rowsReadFailed(): void;
  setSkippedRows(count: number): void;
  setPostgresConnected(isConnected: boolean): void;
  /** @param timeSeconds Unix time */
  configReloaded(result: ReloadResult, timeSeconds: number): void;
  circuitTransitioned(cause: string): void;
  probed(result: 'ok' | 'failed' | 'not_made'): void;
  /** Makes the series of the registration API; to be called once, by who serves it. @param count asked at a scrape */
  registrations(count: () => number): RegistrationMetrics;
}

/** `unchanged`: read, good, and the same in other words. `refused`: bad or unreadable, so that the last good one stays. */
export type ReloadResult = 'applied' | 'unchanged' | 'refused';

export interface MetricsOptions {
  readonly traffic: TrafficSource;
  /** Absent while there is no limit. */
  readonly limiter: RateLimitSource | undefined;
  /** Absent while connections are not kept warm. */
  readonly pool: PoolSource | undefined;
  /** Absent where there is no TLS listener. */
  readonly tls?: TlsSource | undefined;
  readonly fleet: FleetSource;
  readonly engine: EngineSource;
  readonly version: string;
  readonly bucketsSeconds: readonly number[];
}

/** The default of 10 ms would wake the main thread a hundred times a second. */
const EVENT_LOOP_PRECISION_MS = 100;

const CIRCUIT_VALUES = { closed: 0, halfOpen: 1, open: 2 } as const;
const VERDICT_VALUES = { healthy: 1, unhealthy: 0, unknown: -1 } as const;

/**
 * The metrics of the daemon in a registry of their own: names and types of the seed, and what an operator needs
 * beside them. Labels are backend ids and bounded words, never a client address. `docs/metrics.md` lists them all.
 */
export function createMetrics(options: MetricsOptions): Metrics {
  const { traffic, limiter, pool, tls, fleet, engine, version, bucketsSeconds } = options;
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `edgeproxy_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `edgeproxy_${name}`, help, labelNames, registers });

  const accepted = counter('connections_total', 'Clients accepted.');
  const active = gauge('connections_active', 'Clients connected.');
  const queued = counter('connections_queued_total', 'Clients that had to wait for a place at a backend.');
  const waiting = gauge('connections_waiting', 'Clients that wait for a place at a backend.');
  const timedOut = counter('connections_timed_out_total', 'Connections closed for taking too long.', [
    'timeout',
  ]);
  const refused = counter('connections_refused_total', 'Clients closed without a byte, by reason.', [
    'reason',
  ]);
  const acceptPauses = counter(
    'accept_paused_total',
    'Times that clients had to wait for want of descriptors or memory.',
  );
  const bytesSent = counter('bytes_sent_total', 'Bytes from clients to backends.');
  const bytesReceived = counter('bytes_received_total', 'Bytes from backends to clients.');
  const backendConnections = counter('backend_connections_total', 'Connections established.', ['backend']);
  const backendActive = gauge('backend_connections_active', 'Connections open or being opened.', ['backend']);
  const backendErrors = counter('backend_errors_total', 'Failures charged to the backend.', ['backend']);
  const backendRtt = externalHistogram(registry, {
    name: 'edgeproxy_backend_rtt_seconds',
    help: 'Time to connect.',
    buckets: bucketsSeconds,
  });
  const circuits = gauge('circuit_state', 'Circuit breaker of the backend: 0 closed, 1 half-open, 2 open.', [
    'backend',
  ]);
  const transitions = counter('circuit_transitions_total', 'Changes of circuits, by cause.', ['cause']);
  const healthy = gauge('backend_healthy', 'Verdict of the probes: 1 healthy, 0 unhealthy, -1 none yet.', [
    'backend',
  ]);
  const probes = counter('health_probes_total', 'Probes, by result.', ['result']);
  const panic = gauge('panic_active', '1 while health and breakers are disregarded.');
  const eligible = gauge('backends_eligible', 'Backends that new clients may get.');
  const excluded = gauge('backends_excluded', 'Backends that new clients may not get, by reason.', [
    'reason',
  ]);
  const setVersion = gauge('backend_set_version', 'Version of the set that new clients are routed by.');
  const skippedRows = gauge('backend_rows_skipped', 'Rows of the last read that cannot be a backend.');
  const reads = counter('postgres_reads_total', 'Reads of the backends table, by result.', ['result']);
  const lastRead = gauge(
    'postgres_last_read_timestamp_seconds',
    'Unix time of the last successful read; 0 before the first.',
  );
  const engineInfo = gauge('engine_info', 'What relays; always 1.', ['engine', 'syscalls']);
  const engineThreads = gauge('engine_threads', 'Threads that relay.');
  const threadDeaths = counter('data_thread_deaths_total', 'Data threads that have died.');
  const reloads = counter('config_reloads_total', 'Configurations read while running, by result.', [
    'result',
  ]);
  const lastReload = gauge(
    'config_last_reload_success_timestamp_seconds',
    'Unix time at which the last good configuration was read.',
  );
  lastReload.set(Date.now() / 1000);
  for (const result of ['applied', 'unchanged', 'refused']) reloads.inc({ result }, 0);
  for (const result of ['ok', 'failed']) reads.inc({ result }, 0);
  for (const result of ['ok', 'failed', 'not_made']) probes.inc({ result }, 0);
  /** Made when a database is used at all: 0 in a daemon without one would look like an outage. */
  let connected: Gauge | undefined;
  gauge('build_info', 'Version of the daemon; always 1.', ['version']).set({ version }, 1);
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS });

  const setLimiter = limiter && limiterMetrics(limiter, counter);
  const setTls = tls && tlsMetrics(tls, { counter, gauge });
  const setPool = pool && poolMetrics(pool, { counter, gauge });

  const setTraffic = (report: TrafficReport): void => {
    for (const metric of [
      accepted,
      acceptPauses,
      refused,
      timedOut,
      queued,
      bytesSent,
      bytesReceived,
      backendConnections,
      backendErrors,
    ])
      metric.reset();
    backendActive.reset();
    accepted.inc(report.accepted);
    active.set(report.active);
    acceptPauses.inc(report.acceptPauses);
    queued.inc(report.queued);
    waiting.set(report.waiting);
    bytesSent.inc(report.bytesSent);
    bytesReceived.inc(report.bytesReceived);
    for (const [reason, count] of Object.entries(report.refused)) refused.inc({ reason }, count);
    for (const [timeout, count] of Object.entries(report.timedOut)) timedOut.inc({ timeout }, count);
    for (const { backendId: backend, connections, active: open, errors } of report.backends) {
      backendConnections.inc({ backend }, connections);
      backendActive.set({ backend }, open);
      backendErrors.inc({ backend }, errors);
    }
    backendRtt.set(
      report.backends.map(({ backendId, rttCounts, rttSumSeconds }) => ({
        labels: { backend: backendId },
        counts: rttCounts,
        sum: rttSumSeconds,
      })),
    );
  };

  const setFleet = (report: FleetReport): void => {
    circuits.reset();
    healthy.reset();
    for (const { backendId: backend, circuit, verdict } of report) {
      if (circuit !== undefined) circuits.set({ backend }, CIRCUIT_VALUES[circuit]);
      if (verdict !== undefined) healthy.set({ backend }, VERDICT_VALUES[verdict]);
    }
  };

  const setEngine = ({ engine: name, syscalls, alive, deaths }: EngineReport): void => {
    engineInfo.set({ engine: name, syscalls }, 1);
    engineThreads.set(alive);
    threadDeaths.reset();
    threadDeaths.inc(deaths);
  };

  return {
    contentType: registry.contentType,
    scrape() {
      // Before the traffic is read: after that, what is gone is in no report.
      setPool?.();
      setTls?.();
      setTraffic(traffic.report());
      setLimiter?.();
      setFleet(fleet.report());
      setEngine(engine.report());
      return registry.metrics();
    },
    setApplied(set) {
      eligible.set(set.eligible.length);
      setVersion.set(set.version);
      panic.set(set.isPanic ? 1 : 0);
      for (const reason of EXCLUSION_REASONS) {
        excluded.set({ reason }, set.excluded.filter((backend) => backend.reason === reason).length);
      }
    },
    rowsRead(timeSeconds) {
      reads.inc({ result: 'ok' });
      lastRead.set(timeSeconds);
    },
    setSkippedRows(count) {
      skippedRows.set(count);
    },
    rowsReadFailed() {
      reads.inc({ result: 'failed' });
    },
    configReloaded(result, timeSeconds) {
      reloads.inc({ result });
      if (result !== 'refused') lastReload.set(timeSeconds);
    },
    circuitTransitioned(cause) {
      transitions.inc({ cause });
    },
    registrations: (count) => registrationMetrics(registry, count),
    probed(result) {
      probes.inc({ result });
    },
    setPostgresConnected(isConnected) {
      connected ??= gauge(
        'postgres_connected',
        '1 while changes arrive by notification, 0 while the last set is kept.',
      );
      connected.set(isConnected ? 1 : 0);
    },
  };
}

/** What sets the series of a rate limiter before a scrape; there are none before there is a limit. */
function limiterMetrics(
  limiter: RateLimitSource,
  counter: (name: string, help: string) => Counter,
): () => void {
  let evictedEarly: Counter | undefined;
  return () => {
    const report = limiter.report();
    if (report === undefined) return;
    evictedEarly ??= counter(
      'rate_limit_early_evictions_total',
      'Clients that the rate limiter forgot, for want of room, before their buckets were full.',
    );
    evictedEarly.reset();
    evictedEarly.inc(report.evictedEarly);
  };
}
