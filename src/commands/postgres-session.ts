import { Client, DatabaseError } from 'pg';
import { databaseLabel } from '../adapters/postgres/database-url.ts';
import type { LoadedSettings } from '../config/load.ts';
import { nameOf, naming } from '../config/origin.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';

/**
 * Does something in a session with the database of the settings. Rejects with `ERR_SETTINGS_INVALID` where they name
 * none, and with `ERR_POSTGRES` for what the server says against it.
 */
export async function inSession<T>(
  { settings, origins }: Pick<LoadedSettings, 'settings' | 'origins'>,
  name: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { url, connect_timeout_secs: connectSecs, query_timeout_secs: querySecs } = settings.postgres;
  if (url === undefined) {
    throw new EdgeProxyError(
      'ERR_SETTINGS_INVALID',
      'EDGEPROXY_POSTGRES_URL = nothing: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE to run SQL in',
    );
  }
  const label = await naming(origins, () => databaseLabel(url));
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
    throw new EdgeProxyError('ERR_POSTGRES', `${label}: ${explain(error, nameOf('postgres.url', origins))}`, {
      cause: error,
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The message of the server with what it adds to it; or of the connection, with where it comes from. @param place what gives the URL */
function explain(error: unknown, place: string): string {
  if (!(error instanceof DatabaseError)) return `${messageOf(error)} (${place} names the database)`;
  const { message, position, detail, hint } = error;
  const at = position === undefined ? '' : ` at character ${position}`;
  return [`${message}${at}`, detail, hint].filter((part) => part !== undefined).join('\n');
}
