import { onTestFinished } from 'vitest';
import {
  createPostgresPool,
  type PostgresPool,
  type PostgresPoolOptions,
} from '../../../src/adapters/postgres/pool.ts';
import { createDatabase, type TestDatabase } from '../../support/postgres.ts';

/** The schema of the seed as somebody pastes it into psql. */
export const SEED_SCHEMA = `
CREATE TABLE backends (
id TEXT PRIMARY KEY,
app TEXT NOT NULL,
region TEXT NOT NULL,
country TEXT NOT NULL,
wg_ip TEXT NOT NULL,
port INTEGER NOT NULL,
healthy INTEGER NOT NULL DEFAULT 1,
weight INTEGER NOT NULL DEFAULT 1,
soft_limit INTEGER NOT NULL DEFAULT 100,
hard_limit INTEGER NOT NULL DEFAULT 150,
deleted INTEGER NOT NULL DEFAULT 0,
created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_backends_healthy ON backends(healthy) WHERE deleted = 0;
CREATE INDEX idx_backends_region ON backends(region) WHERE deleted = 0;`;

export const INSERT_BACKEND = `
INSERT INTO backends (id, app, region, country, wg_ip, port) VALUES ($1, 'web', 'sa', 'BR', '10.50.1.1', 8080)`;

export const TIMEOUTS = { connectTimeoutMs: 5000, queryTimeoutMs: 10_000 };

/** An empty database that goes away with the test. */
export async function testDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  onTestFinished(() => database.drop());
  return database;
}

/** A pool that is closed with the test; it may not have an error that nobody looks at. */
export function testPool(url: string, options: Partial<PostgresPoolOptions> = {}): PostgresPool {
  const pool = createPostgresPool({
    url,
    ...TIMEOUTS,
    maxConnections: 4,
    minConnections: 0,
    onError(error) {
      throw error;
    },
    ...options,
  });
  onTestFinished(() => pool.close());
  return pool;
}

/** Creates a role that may log in and read what `grants` says; resolves with the URL to use. */
export async function urlOfRole(database: TestDatabase, grants: readonly string[]): Promise<string> {
  const url = new URL(database.url);
  const role = `role_${url.pathname.slice(1)}`;
  await database.query(`CREATE ROLE ${role} LOGIN`);
  for (const grant of grants) {
    // oxlint-disable-next-line no-await-in-loop -- statements of one session run one after the other
    await database.query(grant.replaceAll('ROLE', role));
  }
  onTestFinished(async () => {
    await database.query(`DROP OWNED BY ${role}`);
    await database.query(`DROP ROLE ${role}`);
  });
  url.username = role;
  return url.href;
}
