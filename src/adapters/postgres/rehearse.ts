import type { QueryConfig } from 'pg';
import type { SqlSettingRow } from '../../config/sql-settings.ts';
import { EdgeProxyError } from '../../errors.ts';
import { optionalColumnsOf } from './initialize.ts';
import { inspectSchema } from './inspect-schema.ts';
import type { Query } from './pool.ts';
import { readBackendRows } from './read-backends.ts';
import { readSettingRows } from './settings-table.ts';

/** What the tables would hold. */
export interface RehearsedRows {
  readonly backendRows: readonly unknown[];
  /** `undefined` where there is no table of settings that may be read. */
  readonly settingRows: readonly SqlSettingRow[] | undefined;
}

/** `queryMode` is not among the types of pg. */
interface ExtendedQuery extends QueryConfig {
  readonly queryMode: 'extended';
}

/** A session of pg, as far as it is needed here. */
export interface RehearsalSession {
  query(query: string | QueryConfig, values?: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/**
 * Runs one statement, reads what the tables hold after it, and takes it back: nobody else sees any of it, and nobody
 * is notified.
 *
 * The extended protocol takes one statement only, so none can follow that commits. Rejects with the error of the
 * server, and with `ERR_POSTGRES_SCHEMA` where there is no `backends`.
 */
export async function rehearse(session: RehearsalSession, statement: string): Promise<RehearsedRows> {
  const query: Query = async (text, values = []) => (await session.query(text, [...values])).rows;
  await session.query('BEGIN');
  try {
    const single: ExtendedQuery = { text: statement, queryMode: 'extended' };
    await session.query(single);
    const schema = await inspectSchema(query);
    if (schema === undefined) {
      throw new EdgeProxyError(
        'ERR_POSTGRES_SCHEMA',
        'there is no table backends, or not in the search path',
      );
    }
    return {
      backendRows: await readBackendRows(query, optionalColumnsOf(schema)),
      settingRows: await readSettingRows(query, undefined),
    };
  } finally {
    await session.query('ROLLBACK');
  }
}
