import type { Query } from './pool.ts';

/** Adds a nullable column to a table that was made without it; no row is rewritten. */
export async function addColumn(query: Query, table: string, name: string, type: string): Promise<void> {
  await query(`ALTER TABLE ${table} ADD COLUMN ${name} ${type}`);
}
