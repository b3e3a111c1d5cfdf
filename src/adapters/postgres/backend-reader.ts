import type { ParsedRows } from '../../domain/backend.ts';
import { initialize, type InitializedSchema } from './initialize.ts';
import type { PostgresPool } from './pool.ts';
import { readBackends } from './read-backends.ts';

/**
 * A read that first initializes, so that a database that comes up later than the daemon is set up then.
 *
 * Initializes until that succeeded once, and never again: a table that is dropped under a running daemon makes
 * reads fail, which keeps the last known backends; creating it anew would empty them.
 *
 * @param onInitialized called once, before the first read
 */
export function createBackendReader(
  pool: PostgresPool,
  onInitialized: (schema: InitializedSchema) => void,
): () => Promise<ParsedRows> {
  let schema: InitializedSchema | undefined;
  return async () => {
    if (schema === undefined) {
      schema = await initialize(pool);
      onInitialized(schema);
    }
    return readBackends(pool, schema.optionalColumns);
  };
}
