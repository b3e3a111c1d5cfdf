import { BehaviorSubject } from 'rxjs';
import { type ActorRefFrom, createActor, fromPromise, waitFor } from 'xstate';
import type { GuardedServer } from './adapters/http/guarded-server.ts';
import { createProbe } from './adapters/probes/probe.ts';
import { createMetrics } from './adapters/prometheus/metrics.ts';
import { startAdmin } from './composition/admin.ts';
import { adminApi } from './composition/admin-api.ts';
import type { AppliedSettings, SettingsTakers } from './composition/apply-settings.ts';
import { createConfigReloads } from './composition/config-reloads.ts';
import { eligibilityPolicyOf } from './composition/eligibility-policy.ts';
import { createFleet } from './composition/create-fleet.ts';
import { createSource } from './composition/create-source.ts';
import { liveActors } from './composition/live-actors.ts';
import { LogLevel } from './composition/log-level.ts';
import { startMetricsListener } from './composition/metrics-listener.ts';
import { postgresSettings } from './composition/postgres-settings.ts';
import { createProxy } from './composition/proxy.ts';
import { listenAsWanted, type ProxyAddresses } from './composition/proxy-listeners.ts';
import { startRegistrationApi } from './composition/registration-api.ts';
import { rereadGeoFile } from './composition/reread-geo-file.ts';
import { Repeating } from './composition/repeating.ts';
import { SideListener } from './composition/side-listener.ts';
import { SettingsInTurn } from './composition/settings-in-turn.ts';
import { SetsInForce } from './composition/sets-in-force.ts';
import { systemNow as now } from './composition/system-clock.ts';
import type { Configuration } from './config/configuration.ts';
import type { ConfigChange } from './config/diff.ts';
import type { Settings } from './config/schema.ts';
import { deriveEligibleSet } from './domain/eligibility.ts';
import type { LeveledLogger, ListenAddress, ProxyEngine } from './domain/ports.ts';
import { type CloseInput, lifecycleMachine, lifecycleStateOf } from './machines/lifecycle.ts';
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
  /** Where the settings come from, for a daemon that follows them while it runs; they are those in force in it. */
  readonly configuration?: Configuration | undefined;
  readonly logger: LeveledLogger;
  readonly version: string;
}

export interface DaemonAddresses extends ProxyAddresses {
  readonly metrics: ListenAddress | undefined;
  readonly admin: ListenAddress | undefined;
  readonly api: ListenAddress | undefined;
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
  /**
   * Takes other settings over, one change after the other, without touching a connection; what cannot be brought into
   * force keeps its old value. Waits for the start, and does nothing once the daemon has ended. For who changes the
   * settings of a daemon that has no configuration to follow.
   */
  applySettings(change: ConfigChange): Promise<AppliedSettings>;
  /**
   * Reads the configuration file, the settings in SQL, the GeoIP database and certificates at once; `false` when there
   * are none to read.
   */
  reload(): boolean;
  /** Asks for a stop: the first time to drain, the second time to end at once. */
  stop(): void;
  /** Resolves when the daemon has ended; rejects with what made it fail. */
  readonly stopped: Promise<Ending>;
}

/** Composes the daemon from its layers: the only place that knows them all. Fails with `ERR_ENGINE`. */
export async function createDaemon(options: DaemonOptions): Promise<Daemon> {
  const { settings, configuration, logger, version } = options;
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
    tls: proxy.tls,
    fleet: { report: () => fleet.statuses() },
    engine: { report: () => ({ ...proxy.choice, ...(engine?.threads() ?? NO_THREADS) }) },
    version,
    bucketsSeconds: RTT_BUCKETS_SECONDS,
  });
  const probe = createProbe({ maxInFlight: settings.health_check.max_in_flight, now });
  const { fleet, follow: followFleet } = createFleet({
    settings,
    logger,
    probe,
    activeOf: proxy.activeOf,
    routesTo: (incarnation) => engine?.routesTo(incarnation) ?? false,
    cut: (incarnation) => engine?.cut(incarnation),
    onTransition: (cause) => metrics.circuitTransitioned(cause),
    onProbed: (result) => metrics.probed(result),
    now,
    random: Math.random,
  });
  const {
    source,
    registration,
    backendSwitch,
    follow: followBackends,
  } = createSource(settings, logger, metrics);
  const logLevel = new LogLevel(logger, settings.log_level, (level) => proxy.logAt(level));
  const policy$ = new BehaviorSubject(eligibilityPolicyOf(settings));
  const reloads =
    configuration &&
    createConfigReloads({
      start: configuration,
      rows: source.database && postgresSettings(source.database, configuration, logger),
      apply: (change) => changes.apply(change),
      tryOut: (running, change) => changes.tryOut(running, change),
      logger,
      metrics,
    });
  const sets = new SetsInForce({
    logger,
    now,
    onInForce(set) {
      metrics.setApplied(set);
      fleet.applied();
    },
  });
  let engine: ProxyEngine | undefined;
  const ops = new SideListener((next: Settings) =>
    next.metrics.enabled ? startMetricsListener(next, metrics, notReady, logger) : undefined,
  );
  const admin = new SideListener((next: Settings) => {
    if (!next.admin.enabled) return undefined;
    const own = { lifecycle, subscription: source.subscription };
    return startAdmin(next, liveActors(own, fleet), logger, adminRoutes);
  });
  const adminRoutes = adminApi({
    fleet,
    proxy,
    connections: (query) => engine?.connections(query) ?? { items: [], next: null },
    current: () => sets.current,
    backendSwitch,
    registrar: registration?.registrar,
    logLevel,
    setLogLevel: (level) => changes.run(async () => logLevel.override(level), undefined),
    reloads,
    logger,
  });
  let api: GuardedServer | undefined;
  let affinityGc: Repeating | undefined;
  let addresses: DaemonAddresses | undefined;
  let starting: Promise<void> | undefined;

  async function start(): Promise<void> {
    await ops.follow(settings);
    await admin.follow(settings);
    const sockets = await proxy.startEngine();
    engine = sockets;
    affinityGc = new Repeating(() => proxy.collectGarbage(), settings.binding.gc_interval_secs * 1000, now);
    eligibleBackends$(fleet.changes$, {
      policy: policy$,
      gapMs: () => Math.max(MIN_SET_GAP_MS, sets.lastCostMs * SET_GAP_FACTOR),
      derive: (...input) => sets.derive(() => deriveEligibleSet(...input)),
    }).subscribe((set) => sets.apply(set, (next) => sockets.apply(next)));
    source.backends$.subscribe((backends) => fleet.update(backends));
    await source.start();
    if (registration !== undefined) api = await startRegistrationApi(settings, registration, logger, version);
    else if (!settings.postgres.enabled && settings.backends.length === 0) {
      logger.warn({}, 'no database and no [[backends]] in the file, every client will be refused');
    }
    // Asked to stop meanwhile: no client may be accepted any more.
    if (!lifecycle.getSnapshot().matches('starting')) return;
    const listening = await listenAsWanted(sockets, settings);
    addresses = {
      ...listening,
      tls: listening.tls ?? (await proxy.listenTls()),
      metrics: ops.address,
      admin: admin.address,
      api: api?.address,
    };
    logger.info({ ...addresses, ...proxy.choice, region: settings.region, version }, 'accepting clients');
    reloads?.start();
  }

  function notReady(): string | undefined {
    const state = lifecycleStateOf(lifecycle.getSnapshot());
    if (state !== 'running') return state;
    return sets.current.eligible.length === 0 ? 'no eligible backend' : undefined;
  }

  async function close({ atOnce }: CloseInput): Promise<void> {
    const reloadsStopped = reloads?.stop();
    const sourceStopped = source.stop();
    // Asked to stop while starting: what start() still binds must be released as well. Its failure is reported there.
    await starting?.catch(() => undefined);
    await Promise.all([reloadsStopped, sourceStopped, engine?.close(atOnce ? 0 : FORCED_CLOSE_SPREAD_MS)]);
    await Promise.all([ops.close(), admin.close(), api?.close()]);
    fleet.stop();
    affinityGc?.stop();
  }

  const lifecycle = createActor(
    lifecycleMachine.provide({
      actors: {
        start: fromPromise(() => (starting = start())),
        drain: fromPromise(async () => engine?.drain()),
        close: fromPromise<void, CloseInput>(({ input }) => close(input)),
      },
    }),
    { input: { shutdownTimeoutMs: settings.shutdown_timeout_secs * 1000, now } },
  );
  lifecycle.on('DRAINING', () => logger.info({ connections: proxy.traffic.activeClients() }, 'draining'));
  lifecycle.on('FORCING', ({ reason }) =>
    logger.warn({ reason, connections: proxy.traffic.activeClients() }, 'closing connections that are left'),
  );
  lifecycle.on('ABANDONED', () =>
    logger.error({ connections: proxy.traffic.activeClients() }, 'not everything could be closed, leaving'),
  );

  const takers: SettingsTakers = {
    listeners: moveListeners,
    metricsListener: (next) => ops.follow(next),
    adminListener: (next) => admin.follow(next),
    geoFile: (next) => proxy.followGeography(next),
    geoTables: (next) => proxy.followGeography(next),
    log: ({ log_level: level }) => logLevel.follow(level),
    fileWatch: (next) => reloads?.follow(next),
    lifecycle: ({ shutdown_timeout_secs: seconds }) =>
      lifecycle.send({ type: 'SETTINGS_CHANGED', shutdownTimeoutMs: seconds * 1000 }),
    probes: ({ health_check: health }) => probe.limit(health.max_in_flight),
    fleet: followFleet,
    engine: (next) => proxy.follow({ ...next, log_level: logLevel.level }),
    eligibility: (next) => policy$.next(eligibilityPolicyOf(next)),
    bindings: ({ binding }) => affinityGc?.change(binding.gc_interval_secs * 1000),
    backends: followBackends,
    registrations: ({ heartbeat_ttl_secs: seconds }) => registration?.setTtl(seconds),
  };
  const changes = new SettingsInTurn(lifecycle, takers);

  async function moveListeners(next: Settings): Promise<void> {
    if (!lifecycle.getSnapshot().matches('running'))
      throw new Error('the daemon accepts no clients any more');
    logger.info(await listenAsWanted(engine!, next), 'accepting clients at other addresses');
  }

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
    applySettings: (change) => changes.apply(change),
    reload() {
      if (proxy.hasGeoFile) void changes.run(() => rereadGeoFile(proxy, logger), undefined);
      return [reloads?.reload(), proxy.hasGeoFile, proxy.rereadCertificates()].includes(true);
    },
    stop: () => lifecycle.send({ type: 'STOP_REQUESTED' }),
  };
}
