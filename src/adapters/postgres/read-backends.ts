import { parseBackendRows, type ParsedRows } from '../../domain/backend.ts';
import { columnList } from './names.ts';
import type { Query } from './pool.ts';

/**
 * Reads all rows, deleted ones included; bad rows come back as skipped. Rejects with `ERR_POSTGRES`.
 *
 * @param optional the optional columns that the table has
 */
export async function readBackends(
  { query }: { readonly query: Query },
  optional: readonly string[],
): Promise<ParsedRows> {
  return parseBackendRows(await readBackendRows(query, optional));
}

/** The same, as they are. */
export function readBackendRows(query: Query, optional: readonly string[]): Promise<readonly unknown[]> {
  return query(`SELECT ${columnList(optional)} FROM backends`);
}
