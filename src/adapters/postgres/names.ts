/** The channel that says that backends or settings may have changed; any payload, or none, is a hint to read. */
export const CHANGES_CHANNEL = 'edgeproxy_backends';

export const TRIGGER_NAME = 'edgeproxy_backends_changed';

/** One lock for all daemons of a database; the number is arbitrary and must only stay the same. */
export const INITIALIZE_LOCK = 4_919_220_831;

/** DDL waits for every transaction that uses the table, and whoever comes after waits for the DDL. */
export const LOCK_TIMEOUT_MS = 2_000;

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
 * What a backend may have of its own instead of what the settings say: a health check, as JSON, and the PROXY header
 * that its connections begin with. Nullable, and not in the seed's table: added, as the first of their types, when
 * they are missing and may be added, done without otherwise.
 */
export const OPTIONAL_COLUMNS: typeof COLUMNS = [
  { name: 'health_check', types: ['jsonb', 'json'] },
  { name: 'proxy_protocol', types: TEXT },
];

/** The names of the columns, ready for a statement. @param optional those of the optional ones that are there */
export function columnList(optional: readonly string[]): string {
  return [...COLUMNS.map(({ name }) => name), ...optional].join(', ');
}
