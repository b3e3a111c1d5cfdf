import { type ActorRefFrom, createActor, fromPromise, waitFor } from 'xstate';
import type { AdminServer } from './adapters/http/admin-server.ts';
import { type OpsServer, startOpsServer } from './adapters/http/ops-server.ts';
import { createProbe } from './adapters/probes/probe.ts';
import { createMetrics } from './adapters/prometheus/metrics.ts';
import { startAdmin } from './composition/admin.ts';
import { type BackendSource, staticBackends } from './composition/backend-source.ts';
import { createFleet } from './composition/create-fleet.ts';
import { liveActors } from './composition/live-actors.ts';
import { postgresBackends } from './composition/postgres-backends.ts';
import { createProxy } from './composition/proxy.ts';
import { SetsInForce } from './composition/sets-in-force.ts';
import { systemNow as now } from './composition/system-clock.ts';
import type { Settings } from './config/schema.ts';
import { parseListenAddress } from './config/setting-types.ts';
import { deriveEligibleSet } from './domain/eligibility.ts';
import type { ListenAddress, Logger, ProxyEngine } from './domain/ports.ts';
import { type CloseInput, lifecycleMachine } from './machines/lifecycle.ts';
import { RTT_BUCKETS_SECONDS } from './proxy/counters.ts';
import { eligibleBackends$ } from './streams/eligible-backends.ts';

/** Over how long the connections that outlived the shutdown timeout are closed, so that not all return at once. */
const FORCED_CLOSE_SPREAD_MS = 1_000;

/** Before there is an engine. */
const NO_THREADS = { alive: 0, deaths: 0 };

/** Sets follow each other no faster than this, and take at most a quarter of the time of the main thread. */
const MIN_SET_GAP_MS = 1;
const SET_GAP_FACTOR = 3;

export interface DaemonOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly version: string;
}

export interface DaemonAddresses {
  readonly proxy: ListenAddress;
  readonly metrics: ListenAddress | undefined;
  readonly admin: ListenAddress | undefined;
}

/** `abandoned`: something could not be released in time, and the process may not end by itself. */
export type Ending = 'released' | 'abandoned';

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
  /** Resolves when the daemon has ended; rejects with what made it fail. */
  readonly stopped: Promise<Ending>;
}

/** Composes the daemon from its layers: the only place that knows them all. Fails with `ERR_ENGINE`. */
export async function createDaemon({ settings, logger, version }: DaemonOptions): Promise<Daemon> {
  const proxy = await createProxy({
    settings,
    logger,
    now,
    onOutcomes: (batch) => fleet.report(batch),
    onInForce: (setVersion) => sets.inForce(setVersion),
    isAtEase: (incarnation) => fleet.isAtEase(incarnation),
  });
  const metrics = createMetrics({
    traffic: proxy.traffic,
    limiter: proxy.limiter,
    pool: proxy.pool,
    fleet: { report: () => fleet.statuses() },
    engine: { report: () => ({ ...proxy.choice, ...(engine?.threads() ?? NO_THREADS) }) },
    version,
    bucketsSeconds: RTT_BUCKETS_SECONDS,
  });
  const fleet = createFleet({
    settings,
    logger,
    probe: createProbe({ maxInFlight: settings.health_check.max_in_flight, now }),
    activeOf: proxy.activeOf,
    routesTo: (incarnation) => engine?.routesTo(incarnation) ?? false,
    cut: (incarnation) => engine?.cut(incarnation),
    onTransition: (cause) => metrics.circuitTransitioned(cause),
    onProbed: (result) => metrics.probed(result),
    now,
    random: Math.random,
  });
  const source: BackendSource = settings.postgres.enabled
    ? postgresBackends(settings, logger, metrics)
    : staticBackends(settings);
  const sets = new SetsInForce({
    logger,
    now,
    onInForce(set) {
      metrics.setApplied(set);
      fleet.applied();
    },
  });
  let engine: ProxyEngine | undefined;
  let ops: OpsServer | undefined;
  let admin: AdminServer | undefined;
  let affinityGc: NodeJS.Timeout | undefined;
  let addresses: DaemonAddresses | undefined;
  let starting: Promise<void> | undefined;

  async function start(): Promise<void> {
    if (settings.metrics.enabled) ops = await startOps();
    if (settings.admin.enabled) {
      const own = { lifecycle, subscription: source.subscription };
      admin = await startAdmin(settings, liveActors(own, fleet), logger);
    }
    const sockets = await proxy.startEngine();
    engine = sockets;
    affinityGc = setInterval(() => proxy.collectGarbage(), settings.binding.gc_interval_secs * 1000);
    eligibleBackends$(fleet.changes$, {
      policy: {
        excludesUnchecked: settings.health_check.initial === 'unhealthy',
        panicThresholdPercent: settings.panic_threshold_percent,
      },
      gapMs: () => Math.max(MIN_SET_GAP_MS, sets.lastCostMs * SET_GAP_FACTOR),
      derive: (...input) => sets.derive(() => deriveEligibleSet(...input)),
    }).subscribe((set) => sets.apply(set, (next) => sockets.apply(next)));
    source.backends$.subscribe((backends) => fleet.update(backends));
    await source.start();
    if (!settings.postgres.enabled && settings.backends.length === 0) {
      logger.warn({}, 'no database and no [[backends]] in the file, every client will be refused');
    }
    // Asked to stop meanwhile: no client may be accepted any more.
    if (!lifecycle.getSnapshot().matches('starting')) return;
    addresses = { proxy: await sockets.listen(), metrics: ops?.address, admin: admin?.address };
    logger.info({ ...addresses, ...proxy.choice, region: settings.region, version }, 'accepting clients');
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

  function notReady(): string | undefined {
    const state = lifecycle.getSnapshot().value;
    if (state !== 'running') return typeof state === 'string' ? state : 'closing';
    return sets.current.eligible.length === 0 ? 'no eligible backend' : undefined;
  }

  async function close({ atOnce }: CloseInput): Promise<void> {
    const sourceStopped = source.stop();
    // Asked to stop while starting: what start() still binds must be released as well. Its failure is reported there.
    await starting?.catch(() => undefined);
    await Promise.all([sourceStopped, engine?.close(atOnce ? 0 : FORCED_CLOSE_SPREAD_MS)]);
    await Promise.all([ops?.close(), admin?.close()]);
    fleet.stop();
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
  lifecycle.on('DRAINING', () => logger.info({ connections: proxy.traffic.activeClients() }, 'draining'));
  lifecycle.on('FORCING', ({ reason }) =>
    logger.warn({ reason, connections: proxy.traffic.activeClients() }, 'closing connections that are left'),
  );

  lifecycle.on('ABANDONED', () =>
    logger.error({ connections: proxy.traffic.activeClients() }, 'not everything could be closed, leaving'),
  );

  async function whenStopped(): Promise<Ending> {
    const { output } = await waitFor(lifecycle, ({ status }) => status !== 'active', { timeout: Infinity });
    if (output?.error !== undefined) throw output.error;
    if (output?.isAbandoned === true) return 'abandoned';
    logger.info({}, 'stopped');
    return 'released';
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
