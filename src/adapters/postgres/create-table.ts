import type { Query } from './pool.ts';

/** The table of the seed, word for word; created in the first schema of the search path. */
const CREATE_TABLE = `
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
)`;

export async function createTable(query: Query): Promise<void> {
  await query(CREATE_TABLE);
}
