import { Client, DatabaseError } from 'pg';
import { databaseLabel } from '../adapters/postgres/database-url.ts';
import type { Settings } from '../config/schema.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';

/**
 * Does something in a session with the database of the settings. Rejects with `ERR_SETTINGS_INVALID` where they name
 * none, and with `ERR_POSTGRES` for what the server says against it.
 */
export async function inSession<T>(
  { url, connect_timeout_secs: connectSecs, query_timeout_secs: querySecs }: Settings['postgres'],
  name: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  if (url === undefined) {
    throw new EdgeProxyError(
      'ERR_SETTINGS_INVALID',
      'EDGEPROXY_POSTGRES_URL = nothing: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE to run SQL in',
    );
  }
  const label = databaseLabel(url);
  const client = new Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: connectSecs * 1000,
    query_timeout: querySecs * 1000,
  });
  // A session that is lost fails its statement, which is reported; without a listener it would end the process too.
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    if (error instanceof EdgeProxyError) throw error;
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
