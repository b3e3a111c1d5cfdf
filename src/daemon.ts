import { tap } from 'rxjs';
import { type ActorRefFrom, createActor, fromPromise, waitFor } from 'xstate';
import { createGeoResolver } from './adapters/geo/geo-resolver.ts';
import { type OpsServer, startOpsServer } from './adapters/http/ops-server.ts';
import { createMetrics } from './adapters/prometheus/metrics.ts';
import { type BackendSource, staticBackends } from './composition/backend-source.ts';
import { postgresBackends } from './composition/postgres-backends.ts';
import type { Settings } from './config/schema.ts';
import { parseListenAddress } from './config/setting-types.ts';
import { EMPTY_SET, type EligibleSet } from './domain/eligibility.ts';
import type { Outcome } from './domain/outcome.ts';
import type { ListenAddress, Logger, ProxyEngine } from './domain/ports.ts';
import { type CloseInput, lifecycleMachine } from './machines/lifecycle.ts';
import { Affinity } from './proxy/affinity.ts';
import { Counters, RTT_BUCKETS_SECONDS } from './proxy/counters.ts';
import { NetEngine } from './proxy/net-engine.ts';
import { Router } from './proxy/router.ts';
import { SlotTable } from './proxy/slot-table.ts';
import { createTrafficSource } from './proxy/traffic.ts';
import { eligibleBackends$ } from './streams/eligible-backends.ts';

/** Over how long the connections that outlived the shutdown timeout are closed, so that not all return at once. */
const FORCED_CLOSE_SPREAD_MS = 1_000;

export interface DaemonOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly version: string;
}

export interface DaemonAddresses {
  readonly proxy: ListenAddress;
  readonly metrics: ListenAddress | undefined;
}

/** A daemon that has been composed; it does nothing before `start()`. */
export interface Daemon {
  readonly lifecycle: ActorRefFrom<typeof lifecycleMachine>;
  /**
   * Binds and connects everything; resolves with the bound addresses, or with `undefined` when it was stopped
   * before it ran. Rejects with why it could not start, after everything that had been started is released.
   */
  start(): Promise<DaemonAddresses | undefined>;
  /** Asks for a stop: the first time to drain, the second time to end at once. */
  stop(): void;
  /** Resolves when everything is released; rejects with what made the daemon fail. */
  readonly stopped: Promise<void>;
}

const now = (): number => performance.now();

/** Composes the daemon from its layers: the only place that knows them all. */
export function createDaemon({ settings, logger, version }: DaemonOptions): Daemon {
  const counters = new Counters();
  const slots = new SlotTable(counters);
  const affinity = new Affinity({ ttlMs: settings.binding.ttl_secs * 1000, now });
  const metrics = createMetrics(createTrafficSource(counters, slots), version, RTT_BUCKETS_SECONDS);
  const source: BackendSource = settings.postgres.enabled
    ? postgresBackends(settings, logger, metrics)
    : staticBackends(settings);
  let current: EligibleSet = EMPTY_SET;
  let engine: ProxyEngine | undefined;
  let ops: OpsServer | undefined;
  let affinityGc: NodeJS.Timeout | undefined;
  let addresses: DaemonAddresses | undefined;
  let starting: Promise<void> | undefined;

  async function start(): Promise<void> {
    if (settings.metrics.enabled) ops = await startOps();
    const proxy = await createEngine();
    engine = proxy;
    affinityGc = setInterval(() => affinity.collectGarbage(), settings.binding.gc_interval_secs * 1000);
    let rowsAtMs = now();
    const backends$ = source.backends$.pipe(tap(() => (rowsAtMs = now())));
    eligibleBackends$(backends$).subscribe((set) => apply(proxy, set, rowsAtMs));
    await source.start();
    // Asked to stop meanwhile: no client may be accepted any more.
    if (!lifecycle.getSnapshot().matches('starting')) return;
    addresses = { proxy: await proxy.listen(), metrics: ops?.address };
    logger.info({ ...addresses, region: settings.region, version }, 'accepting clients');
  }

  async function createEngine(): Promise<ProxyEngine> {
    const { cidrs, regions, path } = settings.geoip;
    const geo = await createGeoResolver({ cidrs, regions, geoipPath: path });
    const ownRegion = settings.region;
    return new NetEngine({
      address: parseListenAddress(settings.listen_addr)!,
      addressSetting: 'EDGEPROXY_LISTEN_ADDR',
      router: new Router({ ownRegion, geo, affinity, counters, slots, random: Math.random }),
      counters,
      logger,
      now,
      onOutcomes: logFailures,
      connectTimeoutMs: settings.connect_timeout_secs * 1000,
      connectAttempts: settings.connect_attempts,
      idleTimeoutMs: settings.idle_timeout_secs * 1000,
    });
  }

  function startOps(): Promise<OpsServer> {
    return startOpsServer({
      address: parseListenAddress(settings.metrics.listen_addr)!,
      metricsPath: settings.metrics.path,
      metricsContentType: metrics.contentType,
      scrape: () => metrics.scrape(),
      notReady,
      logger,
    });
  }

  function apply(proxy: ProxyEngine, set: EligibleSet, rowsAtMs: number): void {
    const startedMs = now();
    proxy.apply(set);
    current = set;
    metrics.setApplied(set);
    const counts = { setVersion: set.version, eligible: set.eligible.length, excluded: set.excluded.length };
    const timings = { deriveMs: startedMs - rowsAtMs, applyMs: now() - startedMs };
    logger.info({ ...counts, ...timings }, 'backends applied');
  }

  function logFailures(batch: readonly Outcome[]): void {
    for (const outcome of batch) {
      if (outcome.result === 'failure') logger.debug(outcome, 'backend failed a client');
    }
  }

  function notReady(): string | undefined {
    const state = lifecycle.getSnapshot().value;
    if (state !== 'running') return state;
    return current.eligible.length === 0 ? 'no eligible backend' : undefined;
  }

  async function close({ atOnce }: CloseInput): Promise<void> {
    const sourceStopped = source.stop();
    // Asked to stop while starting: what start() still binds must be released as well. Its failure is reported there.
    await starting?.catch(() => undefined);
    await Promise.all([sourceStopped, engine?.close(atOnce ? 0 : FORCED_CLOSE_SPREAD_MS), ops?.close()]);
    clearInterval(affinityGc);
  }

  const lifecycle = createActor(
    lifecycleMachine.provide({
      actors: {
        start: fromPromise(() => (starting = start())),
        drain: fromPromise(async () => engine?.drain()),
        close: fromPromise<void, CloseInput>(({ input }) => close(input)),
      },
    }),
    { input: { shutdownTimeoutMs: settings.shutdown_timeout_secs * 1000 } },
  );
  lifecycle.on('DRAINING', () => logger.info({ connections: counters.total('active') }, 'draining'));
  lifecycle.on('FORCING', ({ reason }) =>
    logger.warn({ reason, connections: counters.total('active') }, 'closing connections that are left'),
  );

  async function whenStopped(): Promise<void> {
    const { output } = await waitFor(lifecycle, ({ status }) => status !== 'active', { timeout: Infinity });
    if (output?.error !== undefined) throw output.error;
    logger.info({}, 'stopped');
  }
  const stopped = whenStopped();
  // A failed start is reported by start(); who only awaits that must not get an unhandled rejection beside it.
  stopped.catch(() => undefined);

  return {
    lifecycle,
    stopped,
    async start() {
      lifecycle.start();
      const { status } = await waitFor(
        lifecycle,
        (snapshot) => snapshot.matches('running') || snapshot.status !== 'active',
        { timeout: Infinity },
      );
      if (status === 'active') return addresses;
      await stopped;
      return undefined;
    },
    stop: () => lifecycle.send({ type: 'STOP_REQUESTED' }),
  };
}
