import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { defaultStateDir } from '../adapters/file/state-dir.ts';
import { loadSettingsState, settingsStateFileName } from '../adapters/file/settings-state.ts';
import { databaseIdentity } from '../adapters/postgres/database-url.ts';
import { createPostgresPool } from '../adapters/postgres/pool.ts';
import { readSettingRows } from '../adapters/postgres/settings-table.ts';
import { type Configuration, startConfiguration } from '../config/configuration.ts';
import type { Settings } from '../config/schema.ts';
import type { SqlSettingRow } from '../config/sql-settings.ts';
import type { Logger } from '../domain/ports.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';
import { EMPTY_CONFIRM_MS, isSuddenlyEmpty } from '../streams/setting-rows.ts';

/** How long a start waits for the settings in SQL before there is a daemon that could be asked for its health. */
const START_PATIENCE_MS = 1_000;

/** Where the last known settings of a database are kept. */
export function settingsStatePath({ state_dir: stateDir, postgres }: Settings): string {
  return join(stateDir ?? defaultStateDir(), settingsStateFileName(databaseIdentity(postgres.url!)));
}

export function warnHeldSettings(logger: Logger, heldRows: number): void {
  logger.warn({ heldRows }, 'all settings in SQL are gone at once, reading again before they go');
}

/**
 * Reads the rows that concern a daemon in a session of its own; `undefined` where there is no table to read.
 *
 * Rejects with `ERR_POSTGRES`, also when the signal says that nobody waits any more.
 */
export async function readRowsOnce(
  { inForce: { postgres }, scope }: Configuration,
  signal: AbortSignal,
): Promise<readonly SqlSettingRow[] | undefined> {
  const pool = createPostgresPool({
    url: postgres.url!,
    connectTimeoutMs: postgres.connect_timeout_secs * 1000,
    queryTimeoutMs: postgres.query_timeout_secs * 1000,
    maxConnections: 1,
    minConnections: 0,
    // The statement at work fails with it.
    onError: () => {},
  });
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void =>
    aborted.reject(new EdgeProxyError('ERR_POSTGRES', `no answer in time from ${pool.label}`));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([readSettingRows(pool.query, scope), aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await pool.close();
  }
}

/**
 * The configuration to start with: of the environment and the file, with the settings in SQL below them.
 *
 * The database never keeps a daemon from starting. Where it does not answer in a second, or its rows are bad, the
 * last known good ones count, which are kept in the state folder; where there are none, no settings are taken from
 * SQL. What is in the table then takes effect as a change of a running daemon, as far as it can without a restart. A
 * table that is empty where several rows are known is believed when a second read agrees, as in a running daemon.
 *
 * @param signal ends the wait for the database
 */
export async function withStartRows(
  base: Configuration,
  logger: Logger,
  signal: AbortSignal,
): Promise<Configuration> {
  if (!base.inForce.postgres.enabled) return base;
  const known = await loadLastKnown(base, logger);
  const read = await readAtStart(base, known, logger, signal);
  for (const rows of [read, known].filter((one) => one !== undefined)) {
    try {
      return startConfiguration(base.env, { ...base.good, rows }, base.scope.node);
    } catch (thrown) {
      if (!(thrown instanceof EdgeProxyError)) throw thrown;
      const problems = thrown.message.split('\n');
      logger.error({ source: 'sql', problems }, 'configuration refused, the last good one stays');
    }
  }
  return base;
}

async function readAtStart(
  base: Configuration,
  known: readonly SqlSettingRow[] = [],
  logger: Logger,
  signal: AbortSignal,
): Promise<readonly SqlSettingRow[] | undefined> {
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(START_PATIENCE_MS)]);
  try {
    const rows = await readRowsOnce(base, inTime);
    if (rows === undefined || !isSuddenlyEmpty(rows, known)) return rows;
    warnHeldSettings(logger, known.length);
    await delay(EMPTY_CONFIRM_MS, undefined, { signal: inTime });
    return await readRowsOnce(base, inTime);
  } catch (error) {
    if (!signal.aborted) {
      logger.warn({ error: messageOf(error) }, 'settings in SQL cannot be read at the start');
    }
    return undefined;
  }
}

async function loadLastKnown(
  { inForce }: Configuration,
  logger: Logger,
): Promise<readonly SqlSettingRow[] | undefined> {
  const path = settingsStatePath(inForce);
  try {
    const state = await loadSettingsState(path);
    if (state === undefined) return undefined;
    const { rows, savedAtMs } = state;
    const savedAt = new Date(savedAtMs).toISOString();
    logger.info({ path, settings: rows.length, savedAt }, 'last known settings of SQL loaded');
    return rows;
  } catch (error) {
    logger.error({ error: messageOf(error) }, 'last known settings of SQL cannot be loaded');
    return undefined;
  }
}
