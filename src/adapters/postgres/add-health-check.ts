import { HEALTH_CHECK_COLUMN } from './names.ts';
import type { Query } from './pool.ts';

/** Adds the optional column to a table that was made without it; no row is rewritten. */
export async function addHealthCheck(query: Query, table: string): Promise<void> {
  await query(`ALTER TABLE ${table} ADD COLUMN ${HEALTH_CHECK_COLUMN.name} jsonb`);
}
