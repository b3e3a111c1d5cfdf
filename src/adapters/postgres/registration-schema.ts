import { EdgeProxyError } from '../../errors.ts';
import { initialize } from './initialize.ts';
import { type FoundSchema, inspectSchema } from './inspect-schema.ts';
import { INITIALIZE_LOCK, LOCK_TIMEOUT_MS } from './names.ts';
import type { PostgresPool, Query } from './pool.ts';
import { orAdvice } from './postgres-error.ts';

/** Where registrations are, as qualified and quoted names. */
export interface RegistrationTables {
  readonly backends: string;
  readonly heartbeats: string;
}

/**
 * When a backend registered itself; a row without it was inserted in SQL, and no registration ever touches it. Not
 * among the columns that notify: to register the same again is no change.
 */
const REGISTERED_AT = 'registered_at';

/** A table of its own, for an update of `backends` notifies every daemon. The free space keeps updates in their page. */
const createHeartbeats = (table: string): string => `
CREATE TABLE IF NOT EXISTS ${table} (
  id TEXT PRIMARY KEY,
  registered_by TEXT NOT NULL,
  last_heartbeat TIMESTAMP WITH TIME ZONE NOT NULL,
  ttl_secs INTEGER NOT NULL
) WITH (fillfactor = 50)`;

async function hasTable(query: Query, table: string): Promise<boolean> {
  return (await query('SELECT WHERE to_regclass($1) IS NOT NULL', [table])).length > 0;
}

async function isComplete(query: Query, found: FoundSchema, heartbeats: string): Promise<boolean> {
  return found.columns.some(({ name }) => name === REGISTERED_AT) && (await hasTable(query, heartbeats));
}

/**
 * Makes sure that backends can register themselves: the column `registered_at` of `backends` and the table
 * `backend_heartbeats` beside it. Looks first, and runs no DDL when nothing is missing.
 *
 * Rejects with `ERR_POSTGRES_SCHEMA` when they cannot be had, with `ERR_POSTGRES` when a statement fails.
 */
export async function prepareRegistrations(pool: PostgresPool): Promise<RegistrationTables> {
  const { table, optionalColumns, problems } = await initialize(pool);
  const found = await inspectSchema(pool.query);
  if (found === undefined || !found.isTable || !optionalColumns.includes('expired')) {
    throw new EdgeProxyError(
      'ERR_POSTGRES_SCHEMA',
      `backends cannot register themselves in ${table}: ${problems.join('; ')}. ` +
        'Let a role that may alter it start edgeproxy once',
    );
  }
  const heartbeats = `${found.schema}.backend_heartbeats`;
  if (await isComplete(pool.query, found, heartbeats)) return { backends: table, heartbeats };
  await pool
    .transaction((query) => complete(query, table, heartbeats))
    .catch((thrown: unknown) => {
      throw orAdvice(
        thrown,
        `prepare ${table} for registrations: let the owner of that table start edgeproxy once with the API on, ` +
          'then GRANT SELECT, INSERT, UPDATE, DELETE ON backends, backend_heartbeats TO it',
      );
    });
  return { backends: table, heartbeats };
}

async function complete(query: Query, table: string, heartbeats: string): Promise<void> {
  await query('SELECT pg_advisory_xact_lock($1)', [INITIALIZE_LOCK]);
  await query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
  await query(`ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS ${REGISTERED_AT} TIMESTAMP WITH TIME ZONE`);
  await query(createHeartbeats(heartbeats));
}
