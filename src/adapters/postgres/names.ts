/** The channel that says that backends may have changed; any payload, or none, is a hint to read. */
export const CHANGES_CHANNEL = 'edgeproxy_backends';

export const TRIGGER_NAME = 'edgeproxy_backends_changed';

const TEXT = ['text', 'varchar', 'bpchar', 'citext'] as const;
const INTEGER = ['int4', 'int2'] as const;

/**
 * The columns that say what is wanted, and the types (`pg_type.typname`) whose values can be read: those of the
 * seed and their close kin. A `bigint` is none of them, as it arrives as text.
 */
export const COLUMNS: readonly { readonly name: string; readonly types: readonly string[] }[] = [
  { name: 'id', types: TEXT },
  { name: 'app', types: TEXT },
  { name: 'region', types: TEXT },
  { name: 'country', types: TEXT },
  { name: 'wg_ip', types: [...TEXT, 'inet'] },
  { name: 'port', types: INTEGER },
  { name: 'healthy', types: [...INTEGER, 'bool'] },
  { name: 'weight', types: INTEGER },
  { name: 'soft_limit', types: INTEGER },
  { name: 'hard_limit', types: INTEGER },
  { name: 'deleted', types: [...INTEGER, 'bool'] },
];

/**
 * A health check of its own for a backend, as JSON; nullable, and not in the seed's table: added when it is missing
 * and may be added, done without otherwise.
 */
export const HEALTH_CHECK_COLUMN = { name: 'health_check', types: ['jsonb', 'json'] } as const;

/** The names of the columns, ready for a statement. */
export function columnList(hasHealthCheck: boolean): string {
  const columns = hasHealthCheck ? [...COLUMNS, HEALTH_CHECK_COLUMN] : COLUMNS;
  return columns.map(({ name }) => name).join(', ');
}
