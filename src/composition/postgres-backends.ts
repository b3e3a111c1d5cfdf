import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ReplaySubject, Subject, type Subscription } from 'rxjs';
import { createActor, toPromise } from 'xstate';
import { defaultStateDir } from '../adapters/file/state-dir.ts';
import { loadState, saveState, stateFileName } from '../adapters/file/state-file.ts';
import { createStateSaver } from '../adapters/file/state-saver.ts';
import { createBackendReader } from '../adapters/postgres/backend-reader.ts';
import { databaseIdentity } from '../adapters/postgres/database-url.ts';
import type { InitializedSchema } from '../adapters/postgres/initialize.ts';
import { createPostgresPool } from '../adapters/postgres/pool.ts';
import { createOpenSubscription } from '../adapters/postgres/subscription.ts';
import type { Metrics } from '../adapters/prometheus/metrics.ts';
import type { Settings } from '../config/schema.ts';
import type { Backend, SkippedRow } from '../domain/backend.ts';
import type { RowsUpdate } from '../domain/backend-source.ts';
import { limitedWarning } from '../domain/limited-log.ts';
import type { Logger } from '../domain/ports.ts';
import { messageOf } from '../errors.ts';
import { postgresSubscriptionMachine } from '../machines/postgres-subscription.ts';
import { sessionActor } from '../machines/subscription-session.ts';
import { backendRows$, type RowsEvent } from '../streams/backend-rows.ts';
import type { BackendSource } from './backend-source.ts';

const BACKOFF = { baseMs: 200, maxMs: 10_000 };
const HEARTBEAT_INTERVAL_MS = 5_000;
const HEARTBEAT_TIMEOUT_MS = 3_000;

/** How long a start waits for the database when last known backends are at hand. */
const STATE_PATIENCE_MS = 1_000;

/** An outage is told at once, and then so often. */
const OUTAGE_LOG_MS = 60_000;

/** Rows named one by one in the log; the metric counts them all. */
const MAX_SKIPPED_LOGGED = 20;

const now = (): number => performance.now();

/** Milliseconds to the microsecond, for a log line. */
const microseconds = (ms: number): number => Math.round(ms * 1000) / 1000;

/**
 * Backends from PostgreSQL, kept through every outage.
 *
 *     subscription statechart ─ CHANGED ─► hints$ ─► backendRows$ ─► rows$ ─► state file
 *     state file ─ at start ───────────────────────────────────────►
 */
export function postgresBackends(settings: Settings, logger: Logger, metrics: Metrics): BackendSource {
  const { postgres, state_dir: stateDir = defaultStateDir() } = settings;
  const connection = {
    url: postgres.url!,
    connectTimeoutMs: postgres.connect_timeout_secs * 1000,
    queryTimeoutMs: postgres.query_timeout_secs * 1000,
  };
  const pool = createPostgresPool({
    ...connection,
    maxConnections: postgres.max_connections,
    minConnections: postgres.min_connections,
    onError: (error) => logger.warn({ error: error.message }, 'database session lost'),
  });
  const database = pool.label;
  const statePath = join(stateDir, stateFileName(databaseIdentity(connection.url)));
  const saver = createStateSaver<readonly Backend[]>({
    write: (backends) => saveState(statePath, backends, Date.now()),
    onError: (error) => logger.error({ error: messageOf(error) }, 'last known backends cannot be saved'),
  });

  const rows$ = new ReplaySubject<readonly Backend[]>(1);
  const hints$ = new Subject<{ readonly atMs: number }>();
  const firstAnswer = Promise.withResolvers<void>();
  const initialized = Promise.withResolvers<void>();
  metrics.setPostgresConnected(false);
  let reading: Subscription | undefined;
  let isStopped = false;
  let told: ReadonlyMap<string, string> = new Map();

  const subscription = createActor(
    postgresSubscriptionMachine.provide({
      actors: { session: sessionActor(createOpenSubscription(connection)) },
    }),
    {
      input: {
        now,
        random: Math.random,
        backoff: BACKOFF,
        connectTimeoutMs: connection.connectTimeoutMs,
        heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
        heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS,
      },
    },
  );
  subscription.on('CHANGED', ({ atMs }) => hints$.next({ atMs }));
  const warnDeaf = limitedWarning(
    logger,
    'not listening for changes of backends, the last known ones are kept',
    now,
    OUTAGE_LOG_MS,
  );
  const warnUnread = limitedWarning(
    logger,
    'backends cannot be read, the last known ones are kept',
    now,
    OUTAGE_LOG_MS,
  );
  subscription.on('LIVE', () => {
    metrics.setPostgresConnected(true);
    warnDeaf.reset();
    logger.info({ database }, 'listening for changes of backends');
    pool.warmUp().catch((error: unknown) => {
      logger.warn({ error: messageOf(error) }, 'database sessions cannot be opened in advance');
    });
  });
  subscription.on('LOST', ({ error, failures, retryInMs }) => {
    metrics.setPostgresConnected(false);
    warnDeaf.warn({ database, error: error.message, failures, retryInMs: Math.round(retryInMs) });
  });

  async function loadLastKnown(): Promise<readonly Backend[] | undefined> {
    try {
      const state = await loadState(statePath);
      if (state === undefined) return undefined;
      const { backends, skipped, savedAtMs } = state;
      logSkipped(skipped);
      const savedAt = new Date(savedAtMs).toISOString();
      logger.info({ path: statePath, backends: backends.length, savedAt }, 'last known backends loaded');
      return backends;
    } catch (error) {
      logger.error({ error: messageOf(error) }, 'last known backends cannot be loaded');
      return undefined;
    }
  }

  function onRows({ backends, skipped, hintedAtMs, readMs }: RowsUpdate): void {
    logSkipped(skipped);
    metrics.setSkippedRows(skipped.length);
    const sinceHintMs = hintedAtMs === undefined ? undefined : microseconds(now() - hintedAtMs);
    logger.info(
      { backends: backends.length, skipped: skipped.length, readMs: microseconds(readMs), sinceHintMs },
      'backends read',
    );
    rows$.next(backends);
    // Rows that cannot be read are no reason to forget the backends that they were.
    if (backends.length > 0 || skipped.length === 0) saver.save(backends);
  }

  /** A row that stays bad is named once. */
  function logSkipped(skipped: readonly SkippedRow[]): void {
    const news = skipped.filter(({ id, problems }) => told.get(id) !== problems.join());
    for (const { id, problems } of news.slice(0, MAX_SKIPPED_LOGGED)) {
      logger.warn({ backend: id, problems }, 'backend row skipped');
    }
    told = new Map(skipped.map(({ id, problems }) => [id, problems.join()]));
  }

  function onEvent(event: RowsEvent): void {
    switch (event.type) {
      case 'READ_SUCCEEDED':
        metrics.rowsRead(Date.now() / 1000);
        warnUnread.reset();
        firstAnswer.resolve();
        break;
      case 'READ_FAILED':
        metrics.rowsReadFailed();
        warnUnread.warn({
          database,
          error: messageOf(event.error),
          failures: event.failures,
          retryInMs: Math.round(event.retryInMs),
        });
        firstAnswer.resolve();
        break;
      case 'EMPTY_READ_HELD':
        logger.warn(
          { heldBackends: event.heldBackends },
          'all backends are gone at once, reading again before they go',
        );
        break;
      case 'HINTS_FAILED':
        logger.error({ error: messageOf(event.error) }, 'hints ended, changes are seen by the poll only');
        break;
    }
  }

  function onInitialized({ table, created, notifies, problems }: InitializedSchema): void {
    initialized.resolve();
    if (created.length > 0) logger.info({ table, created }, 'database initialized');
    if (!notifies)
      logger.warn({ table, problems }, 'changes of backends are not notified, only the poll sees them');
    else if (problems.length > 0) logger.warn({ table, problems }, 'database initialized in part');
  }

  return {
    backends$: rows$,
    subscription,
    database: { pool, hints$, initialized: initialized.promise },
    async start() {
      const initial = await loadLastKnown();
      if (isStopped) return;
      if (initial !== undefined) rows$.next(initial);
      reading = backendRows$({
        hints$,
        read: createBackendReader(pool, onInitialized),
        reloadIntervalMs: postgres.reload_secs * 1000,
        initial,
        onEvent,
        now,
        random: Math.random,
      }).subscribe(onRows);
      subscription.start();
      await Promise.race([
        firstAnswer.promise,
        ...(initial === undefined ? [] : [delay(STATE_PATIENCE_MS, undefined, { ref: false })]),
      ]);
    },
    async stop() {
      isStopped = true;
      firstAnswer.resolve();
      if (reading !== undefined) {
        reading.unsubscribe();
        subscription.send({ type: 'STOP' });
        await toPromise(subscription);
      }
      await Promise.all([saver.flush(), pool.close()]);
    },
  };
}
