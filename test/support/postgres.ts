import { randomBytes } from 'node:crypto';
import { Client, type ClientConfig, type QueryResultRow } from 'pg';
import { inject } from 'vitest';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from '../../src/adapters/embedded-postgres/cluster.ts';

/** A database of its own for one test or test file, on the PostgreSQL that the whole run shares. */
export interface TestDatabase {
  readonly url: string;
  readonly client: Client;
  /** Runs one statement on `client`; resolves with its rows. */
  query<Row extends QueryResultRow>(sql: string, parameters?: readonly unknown[]): Promise<readonly Row[]>;
  /** Ends `client` and drops the database, whoever is still connected. May be called again. */
  drop(): Promise<void>;
}

/** Creates an empty database with a random name, on the shared PostgreSQL or on the one whose URL is given. */
export async function createDatabase(serverUrl = inject('postgresUrl')): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await runOn(serverUrl, `CREATE DATABASE ${name}`);
  const url = new URL(`/${name}`, serverUrl).href;
  const client = await connect(url);
  let dropping: Promise<void> | undefined;
  return {
    url,
    client,
    query: async (sql, parameters = []) => (await client.query(sql, [...parameters])).rows,
    drop() {
      dropping ??= client.end().then(() => runOn(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
      return dropping;
    },
  };
}

/** A PostgreSQL that one test may kill or freeze; the test stops it. */
export function startOwnCluster(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres(options);
}

/** A connected client whose loss between two queries does not end the test process; its next query fails. */
export async function connect(url: string, config: ClientConfig = {}): Promise<Client> {
  const client = new Client({ ...config, connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Runs one statement in a session of its own. */
export async function runOn(url: string, sql: string): Promise<void> {
  const client = await connect(url);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
