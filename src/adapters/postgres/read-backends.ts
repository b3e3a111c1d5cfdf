import { parseBackendRows, type ParsedRows } from '../../domain/backend.ts';
import { columnList } from './names.ts';
import type { Query } from './pool.ts';

/**
 * Reads all rows, deleted ones included; bad rows come back as skipped. Rejects with `ERR_POSTGRES`.
 *
 * @param hasHealthCheck whether the table has the optional column `health_check`
 */
export async function readBackends(
  { query }: { readonly query: Query },
  hasHealthCheck: boolean,
): Promise<ParsedRows> {
  return parseBackendRows(await query(`SELECT ${columnList(hasHealthCheck)} FROM backends`));
}
