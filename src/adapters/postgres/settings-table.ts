import { z } from 'zod';
import { SQL_SETTINGS_TABLE } from '../../config/origin.ts';
import type { SqlScope, SqlSettingRow } from '../../config/sql-settings.ts';
import { EdgeProxyError } from '../../errors.ts';
import { CHANGES_CHANNEL, INITIALIZE_LOCK, LOCK_TIMEOUT_MS } from './names.ts';
import type { PostgresPool, Query } from './pool.ts';
import { sqlStateOf } from './postgres-error.ts';

const [SCHEMA, TABLE] = SQL_SETTINGS_TABLE.split('.') as [string, string];

const TRIGGER_NAME = 'edgeproxy_settings_changed';

const INSPECT = `
SELECT
  has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS "isReadable",
  (SELECT g.tgenabled IN ('O', 'A') FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = $3) AS notifies,
  ARRAY(
    SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  ) AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2`;

const foundTable = z.object({
  isReadable: z.boolean(),
  /** `null` when there is no trigger, `false` when somebody switched it off. */
  notifies: z.boolean().nullable(),
  columns: z.array(z.string()),
});

/** The time and the role of an update are its own, not those of the insert before it. */
const CREATE_TABLE = [
  `CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`,
  `CREATE TABLE ${SQL_SETTINGS_TABLE} (
    key TEXT NOT NULL,
    value JSONB NOT NULL,
    region TEXT,
    node TEXT,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_by TEXT NOT NULL DEFAULT CURRENT_USER,
    UNIQUE NULLS NOT DISTINCT (key, region, node),
    CHECK (region IS NULL OR node IS NULL)
  )`,
  `CREATE OR REPLACE FUNCTION ${SCHEMA}.edgeproxy_stamp_settings() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.updated_at := CURRENT_TIMESTAMP;
      NEW.updated_by := CURRENT_USER;
      RETURN NEW;
    END $$`,
  `CREATE TRIGGER edgeproxy_settings_stamped BEFORE UPDATE ON ${SQL_SETTINGS_TABLE}
    FOR EACH ROW EXECUTE FUNCTION ${SCHEMA}.edgeproxy_stamp_settings()`,
];

/** The columns that say what is wanted; a table made by hand may do without the last two. */
const COLUMNS = ['key', 'value', 'region', 'node'];

/**
 * On the channel of the backends: one LISTEN session hears both, and a notification is only a hint to read.
 *
 * @param columns those that the table has
 */
const createTrigger = (columns: readonly string[]): readonly string[] => [
  `CREATE OR REPLACE FUNCTION ${SCHEMA}.edgeproxy_notify_settings() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NOTIFY ${CHANGES_CHANNEL};
      RETURN NULL;
    END $$`,
  `CREATE TRIGGER ${TRIGGER_NAME}
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF ${COLUMNS.filter((name) => columns.includes(name)).join(', ')}
    ON ${SQL_SETTINGS_TABLE} FOR EACH STATEMENT EXECUTE FUNCTION ${SCHEMA}.edgeproxy_notify_settings()`,
];

/** Not allowed, read-only, not possible in a server of this age or for a table of this shape, or not now. */
const TOLERATED_SQL_STATES: ReadonlySet<string | undefined> = new Set(
  '42501 25006 42601 42703 42809 55P03'.split(' '),
);

/** What has become of the table of settings. */
export interface SettingsTable {
  readonly isThere: boolean;
  readonly isReadable: boolean;
  /** Whether changes are notified; if not, only the poll sees them. */
  readonly notifies: boolean;
  /** What this call created. */
  readonly created: readonly ('table' | 'trigger')[];
  /** Why something is missing and could not be created. */
  readonly problem: string | undefined;
}

type FoundTable = z.output<typeof foundTable>;

async function inspect(query: Query): Promise<FoundTable | undefined> {
  const [row] = await query(INSPECT, [SCHEMA, TABLE, TRIGGER_NAME]);
  return row === undefined ? undefined : foundTable.parse(row);
}

function described(found: FoundTable | undefined, news: Partial<SettingsTable> = {}): SettingsTable {
  return {
    isThere: found !== undefined,
    isReadable: found?.isReadable ?? false,
    notifies: found?.notifies === true,
    created: [],
    problem: undefined,
    ...news,
  };
}

/**
 * Makes sure that there is a table of settings whose changes are notified; runs no DDL when there is.
 *
 * Daemons that start at once create it once. One that may not is told why: a daemon can do without the table.
 * Rejects with `ERR_POSTGRES` for any other failure.
 */
export async function initializeSettings(pool: PostgresPool): Promise<SettingsTable> {
  const found = await inspect(pool.query);
  if (found !== undefined && found.notifies !== null) return described(found);
  try {
    return await pool.transaction(createMissing);
  } catch (thrown) {
    if (!(thrown instanceof EdgeProxyError) || !TOLERATED_SQL_STATES.has(sqlStateOf(thrown))) throw thrown;
    return described(await inspect(pool.query), { problem: thrown.message });
  }
}

async function createMissing(query: Query): Promise<SettingsTable> {
  await query('SELECT pg_advisory_xact_lock($1)', [INITIALIZE_LOCK]);
  await query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
  const before = await inspect(query);
  const created: ('table' | 'trigger')[] = [];
  if (before === undefined) created.push('table');
  if (before === undefined || before.notifies === null) created.push('trigger');
  const statements = [
    ...(created.includes('table') ? CREATE_TABLE : []),
    ...(created.includes('trigger') ? createTrigger(before?.columns ?? COLUMNS) : []),
  ];
  for (const statement of statements) {
    // oxlint-disable-next-line no-await-in-loop -- statements of one session run one after the other
    await query(statement);
  }
  return described(await inspect(query), { created });
}

const settingRow = z.object({
  key: z.string(),
  value: z.unknown(),
  region: z.string().nullable(),
  node: z.string().nullable(),
});

/** Whether there is a table of settings that may be read. */
export async function hasSettings(query: Query): Promise<boolean> {
  return (await inspect(query))?.isReadable === true;
}

/**
 * Reads the rows that concern a daemon, or all of them, as they are; `undefined` where there is no table that may be
 * read.
 *
 * Rejects with `ERR_POSTGRES`.
 */
export async function readSettingRows(
  query: Query,
  scope: SqlScope | undefined,
): Promise<readonly SqlSettingRow[] | undefined> {
  const found = await inspect(query);
  if (found?.isReadable !== true) return undefined;
  const column = (name: string): string => (found.columns.includes(name) ? name : `NULL::text AS ${name}`);
  const all = `SELECT key, value, ${column('region')}, ${column('node')} FROM ${SQL_SETTINGS_TABLE}`;
  const concerned = '(region IS NULL OR lower(region) = $1) AND (node IS NULL OR lower(node) = $2)';
  const rows = await query(
    `SELECT * FROM (${all}) AS rows ${scope === undefined ? '' : `WHERE ${concerned}`}
     ORDER BY key, region NULLS FIRST, node NULLS FIRST`,
    scope === undefined ? [] : [scope.region, scope.node],
  );
  return rows.map((row) => settingRow.parse(row));
}
