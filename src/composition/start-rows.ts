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

/** How long a start waits for the database when last known settings are at hand. */
const STATE_PATIENCE_MS = 1_000;

/** Where the last known settings of a database are kept. */
export function settingsStatePath({ state_dir: stateDir, postgres }: Settings): string {
  return join(stateDir ?? defaultStateDir(), settingsStateFileName(databaseIdentity(postgres.url!)));
}

/** Reads the rows that concern a daemon in a session of its own; `undefined` where there is no table to read. */
export async function readRowsOnce({
  inForce: { postgres },
  scope,
}: Configuration): Promise<readonly SqlSettingRow[] | undefined> {
  const pool = createPostgresPool({
    url: postgres.url!,
    connectTimeoutMs: postgres.connect_timeout_secs * 1000,
    queryTimeoutMs: postgres.query_timeout_secs * 1000,
    maxConnections: 1,
    minConnections: 0,
    // The statement at work fails with it.
    onError: () => {},
  });
  try {
    return await readSettingRows(pool.query, scope);
  } finally {
    await pool.close();
  }
}

/**
 * The configuration to start with: of the environment and the file, with the settings in SQL below them.
 *
 * The database never keeps a daemon from starting. Where it cannot be reached, or its rows are bad, the last known
 * good ones count, which are kept in the state folder; where there are none, no settings are taken from SQL. What is
 * in the table then takes effect as a change of a running daemon, as far as it can without a restart.
 */
export async function withStartRows(base: Configuration, logger: Logger): Promise<Configuration> {
  if (!base.inForce.postgres.enabled) return base;
  const known = await loadLastKnown(base, logger);
  const reading = readRowsOnce(base).catch((error: unknown) => {
    logger.warn({ error: messageOf(error) }, 'settings in SQL cannot be read at the start');
    return undefined;
  });
  const patience = known === undefined ? [] : [delay(STATE_PATIENCE_MS, undefined, { ref: false })];
  const read = await Promise.race([reading, ...patience]);
  const candidates = [read, known].filter((rows) => rows !== undefined);
  for (const rows of candidates) {
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
