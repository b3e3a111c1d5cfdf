import { DatabaseError, type QueryConfig } from 'pg';
import { SQL_SETTINGS_TABLE } from '../../config/origin.ts';
import type { SqlSettingRow } from '../../config/sql-settings.ts';
import { EdgeProxyError } from '../../errors.ts';
import { optionalColumnsOf } from './initialize.ts';
import { inspectSchema } from './inspect-schema.ts';
import type { Query } from './pool.ts';
import { readBackendRows } from './read-backends.ts';
import { hasSettings, readSettingRows } from './settings-table.ts';
import { transactionWordsOf } from './transaction-words.ts';

const LIMITS = `SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10s';
  SET LOCAL idle_in_transaction_session_timeout = '10s'`;

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
 * The extended protocol takes one statement only, so none can follow that commits. Rejects with `ERR_USAGE` for several
 * statements and for one that controls its transaction, with the error of the server, and with `ERR_POSTGRES_SCHEMA`
 * where there is no `backends`, or one of the tables would go.
 */
export async function rehearse(session: RehearsalSession, statement: string): Promise<RehearsedRows> {
  const words = transactionWordsOf(statement);
  if (words !== undefined) {
    throw new EdgeProxyError(
      'ERR_USAGE',
      `${words}: expected one statement that changes rows; it is tried in a transaction that is always taken back`,
    );
  }
  const query: Query = async (text, values = []) => (await session.query(text, [...values])).rows;
  await session.query('BEGIN');
  let isTakenBack = false;
  try {
    // The server stops by itself: a statement that waits for a lock keeps everybody waiting who comes after it.
    await session.query(LIMITS);
    const before = { backends: await inspectSchema(query), hasSettings: await hasSettings(query) };
    await runSingle(session, statement);
    // What a commit would check and do is checked and done.
    await session.query('SET CONSTRAINTS ALL IMMEDIATE');
    const schema = await inspectSchema(query);
    if (schema === undefined) {
      throw new EdgeProxyError(
        'ERR_POSTGRES_SCHEMA',
        before.backends === undefined
          ? 'there is no table backends, or not in the search path'
          : 'after the statement there would be no table backends in the search path: a running daemon would keep ' +
              'the backends that it knows',
      );
    }
    const settingRows = await readSettingRows(query, undefined);
    if (before.hasSettings && settingRows === undefined) {
      throw new EdgeProxyError(
        'ERR_POSTGRES_SCHEMA',
        `after the statement there would be no table ${SQL_SETTINGS_TABLE} that may be read: a running daemon would ` +
          'keep the settings that it knows',
      );
    }
    const rows = { backendRows: await readBackendRows(query, optionalColumnsOf(schema)), settingRows };
    await session.query('ROLLBACK');
    isTakenBack = true;
    return rows;
  } finally {
    // What has failed is told, not that it cannot be taken back as well: the session ends, and with it all it did.
    if (!isTakenBack) await session.query('ROLLBACK').catch(() => undefined);
  }
}

async function runSingle(session: RehearsalSession, statement: string): Promise<void> {
  const single: ExtendedQuery = { text: statement, queryMode: 'extended' };
  try {
    await session.query(single);
  } catch (error) {
    // The words of the server depend on its language; of what this routine reports, only this is a syntax error.
    const isOfSeveral =
      error instanceof DatabaseError && error.routine === 'exec_parse_message' && error.code === '42601';
    if (!isOfSeveral) throw error;
    throw new EdgeProxyError('ERR_USAGE', 'expected one statement, these are several: none has been run', {
      cause: error,
    });
  }
}
