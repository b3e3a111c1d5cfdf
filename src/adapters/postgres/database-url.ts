import { Client } from 'pg';
import { EdgeProxyError, messageOf } from '../../errors.ts';

const SHAPE = 'postgres://user:password@host:port/database';

/** Parameters that pg would ignore or that would undo a setting, and the setting that stands for them. */
const SETTING_OF_PARAMETER: Readonly<Record<string, string>> = {
  connect_timeout: 'EDGEPROXY_POSTGRES_CONNECT_TIMEOUT_SECS',
  statement_timeout: 'EDGEPROXY_POSTGRES_QUERY_TIMEOUT_SECS',
  query_timeout: 'EDGEPROXY_POSTGRES_QUERY_TIMEOUT_SECS',
};

function invalid(problem: string): EdgeProxyError {
  return new EdgeProxyError('ERR_SETTINGS_INVALID', `postgres.url ${problem}`, { setting: 'postgres.url' });
}

function assertShape(url: string): void {
  if (!/^postgres(ql)?:\/\//i.test(url)) throw invalid(`is not a PostgreSQL URL: expected ${SHAPE}`);
  const authorityEnd = url.slice(url.indexOf('//') + 2).search(/[/?#]/);
  const rest = authorityEnd === -1 ? '' : url.slice(url.indexOf('//') + 2 + authorityEnd);
  // A password with an unencoded / ? or # moves its tail into the database name, which is printed in logs.
  if (/[@#]/.test(rest)) {
    throw invalid(
      'has an @ or # after the host: write / ? # @ in a password as %2F %3F %23 %40, and give no fragment',
    );
  }
  for (const name of new URLSearchParams(rest.split('?')[1] ?? '').keys()) {
    const setting = SETTING_OF_PARAMETER[name];
    if (setting !== undefined) throw invalid(`has the parameter ${name}: use ${setting} instead`);
  }
}

function readAsPg(url: string): Client {
  try {
    return new Client({ connectionString: url });
  } catch (thrown) {
    // Not kept as a cause: the error of the URL parser carries the URL, and with it the password.
    throw invalid(`cannot be read (${messageOf(thrown)}): expected ${SHAPE}`);
  }
}

/**
 * What tells one set of backends from another: the database, and what decides which `backends` table is found in it.
 * Not for people, and without the password.
 */
export function databaseIdentity(url: string): string {
  const label = databaseLabel(url);
  const options = new URLSearchParams(url.split('?')[1] ?? '').get('options') ?? '';
  return JSON.stringify([label, readAsPg(url).user ?? '', options]);
}

/**
 * `host:port/database` of a connection URL: what may be printed, and what tells one database from another.
 *
 * Read by pg itself, so that it names the database that pg connects to, `PGHOST` and its kin included. Throws
 * `ERR_SETTINGS_INVALID` for what is no such URL; no text of it holds the password.
 */
export function databaseLabel(url: string): string {
  assertShape(url);
  const { host, port, database } = readAsPg(url);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid('has no port between 1 and 65535');
  return `${host.includes(':') ? `[${host}]` : host}:${port}/${database ?? ''}`;
}
