import type { FoundSchema } from './inspect-schema.ts';
import { CHANGES_CHANNEL, columnList, TRIGGER_NAME } from './names.ts';
import type { Query } from './pool.ts';

/**
 * Notifies once a statement, and only for columns that say what is wanted: commits that notify wait for each
 * other, so an update of `updated_at` alone must not be one of them. The payload is empty: a notification is a
 * hint to read, and equal ones of a transaction collapse.
 *
 * @param optional the optional columns that the table has
 */
export async function createTrigger(
  query: Query,
  { schema, table }: FoundSchema,
  optional: readonly string[],
): Promise<void> {
  await query(`
    CREATE OR REPLACE FUNCTION ${schema}.edgeproxy_notify_backends() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NOTIFY ${CHANGES_CHANNEL};
      RETURN NULL;
    END $$`);
  await query(`DROP TRIGGER IF EXISTS ${TRIGGER_NAME} ON ${table}`);
  await query(`
    CREATE TRIGGER ${TRIGGER_NAME}
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF ${columnList(optional)} ON ${table}
    FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.edgeproxy_notify_backends()`);
}
