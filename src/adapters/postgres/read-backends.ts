import { parseBackendRows, type ParsedRows } from '../../domain/backend.ts';
import { COLUMN_LIST } from './names.ts';
import type { Query } from './pool.ts';

const READ_BACKENDS = `SELECT ${COLUMN_LIST} FROM backends`;

/** Reads all rows, deleted ones included; bad rows come back as skipped. Rejects with `ERR_POSTGRES`. */
export async function readBackends({ query }: { readonly query: Query }): Promise<ParsedRows> {
  return parseBackendRows(await query(READ_BACKENDS));
}
