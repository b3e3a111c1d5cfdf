import type { Query } from './pool.ts';

/** The indexes of the seed. */
export const INDEXES = [
  { name: 'idx_backends_healthy', column: 'healthy' },
  { name: 'idx_backends_region', column: 'region' },
] as const;

/** @param table the qualified and quoted name of the table */
export async function createIndex(
  query: Query,
  table: string,
  index: (typeof INDEXES)[number],
): Promise<void> {
  await query(`CREATE INDEX IF NOT EXISTS ${index.name} ON ${table}(${index.column}) WHERE deleted = 0`);
}
