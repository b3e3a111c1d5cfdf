import { Client, DatabaseError, type QueryResult } from 'pg';
import { databaseLabel } from '../adapters/postgres/database-url.ts';
import type { Environment } from '../config/environment.ts';
import { alignColumns } from '../config/render.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';
import { readSettings } from './settings.ts';

export interface SqlOptions {
  readonly config: string | undefined;
  readonly statement: string;
}

/** Runs SQL in the database of the settings, as one simple query, and returns what it answered as text. */
export async function sql({ config, statement }: SqlOptions, env: Environment): Promise<string> {
  const {
    url,
    connect_timeout_secs: connectSecs,
    query_timeout_secs: querySecs,
  } = (await readSettings(env, config)).settings.postgres;
  if (url === undefined) {
    throw new EdgeProxyError(
      'ERR_SETTINGS_INVALID',
      'EDGEPROXY_POSTGRES_URL = nothing: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE to run SQL in',
    );
  }
  const label = databaseLabel(url);
  const client = new Client({
    connectionString: url,
    application_name: 'edgeproxy sql',
    connectionTimeoutMillis: connectSecs * 1000,
    query_timeout: querySecs * 1000,
  });
  // A session that is lost fails its statement, which is reported; without a listener it would end the process too.
  client.on('error', () => {});
  try {
    await client.connect();
    const results: QueryResult | QueryResult[] = await client.query(statement);
    return [results].flat().map(render).join('\n');
  } catch (error) {
    throw new EdgeProxyError('ERR_POSTGRES', `${label}: ${explain(error)}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The message of the server with what it adds to it; or of the connection, with where it comes from. */
function explain(error: unknown): string {
  if (!(error instanceof DatabaseError))
    return `${messageOf(error)} (EDGEPROXY_POSTGRES_URL names the database)`;
  const { message, position, detail, hint } = error;
  const place = position === undefined ? '' : ` at character ${position}`;
  return [`${message}${place}`, detail, hint].filter((part) => part !== undefined).join('\n');
}

/** Rows as an aligned table under their column names, then the command tag as psql prints it. */
function render({ command, rowCount, rows, fields }: QueryResult): string {
  const tag = [command, ...(rowCount === null ? [] : [rowCount])].join(' ');
  if (fields.length === 0) return tag;
  const names = fields.map(({ name }) => name);
  const cells = (rows as Record<string, unknown>[]).map((row) => names.map((name) => cell(row[name])));
  return `${alignColumns([names, ...cells])}\n${tag}`;
}

function cell(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  return JSON.stringify(value);
}
