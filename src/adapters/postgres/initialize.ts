import { EdgeProxyError } from '../../errors.ts';
import { addColumn } from './add-column.ts';
import { createIndex, INDEXES } from './create-index.ts';
import { createTable } from './create-table.ts';
import { createTrigger } from './create-trigger.ts';
import { inspectSchema, type FoundSchema } from './inspect-schema.ts';
import { COLUMNS, INITIALIZE_LOCK, LOCK_TIMEOUT_MS, OPTIONAL_COLUMNS, TRIGGER_NAME } from './names.ts';
import type { PostgresPool, Query } from './pool.ts';
import { sqlStateOf } from './postgres-error.ts';

/** Not allowed, not possible for a table of this shape, or not now: the backends can be read all the same. */
const TOLERATED_SQL_STATES: ReadonlySet<string | undefined> = new Set(['42501', '42883', '42809', '55P03']);

export interface InitializedSchema {
  /** The qualified name of the table that `backends` means. */
  readonly table: string;
  /** What this call created: nothing, when all was there. */
  readonly created: readonly string[];
  /** The optional columns that the table has. */
  readonly optionalColumns: readonly string[];
  /** Whether changes are notified; if not, only the poll sees them, and `problems` says why. */
  readonly notifies: boolean;
  /** What is missing and could not be created, each with its reason. Never an obstacle to reading. */
  readonly problems: readonly string[];
}

function assertColumns({ table, columns }: FoundSchema): void {
  const problems = [...COLUMNS, ...OPTIONAL_COLUMNS].flatMap((wanted) => {
    const { name, types } = wanted;
    const column = columns.find((candidate) => candidate.name === name);
    if (column === undefined)
      return OPTIONAL_COLUMNS.includes(wanted) ? [] : [`${name} is missing (${types[0]})`];
    const known: readonly string[] = types;
    return known.includes(column.baseType)
      ? []
      : [`${name} is ${column.type}, expected ${types.join(' or ')}`];
  });
  if (problems.length === 0) return;
  throw new EdgeProxyError(
    'ERR_POSTGRES_SCHEMA',
    `the table ${table} cannot hold backends: ${problems.join('; ')}. ` +
      'Alter these columns, or rename the table and let edgeproxy create its own',
  );
}

/** Something that the table should have; nothing that reading needs. */
interface Helper {
  readonly name: string;
  readonly isMissing: (found: FoundSchema) => boolean;
  readonly create: (query: Query, found: FoundSchema) => Promise<void>;
}

export function optionalColumnsOf({ columns }: FoundSchema): readonly string[] {
  const names = OPTIONAL_COLUMNS.map(({ name }) => name);
  return names.filter((name) => columns.some((column) => column.name === name));
}

/** One that somebody switched off stays as it is. */
function lacksTrigger(found: FoundSchema): boolean {
  const { triggerEnabled, triggerColumns } = found;
  const isBlind = optionalColumnsOf(found).some((name) => !triggerColumns.includes(name));
  return triggerEnabled === null || (triggerEnabled && isBlind);
}

/** The trigger last, for it names the columns. */
const HELPERS: readonly Helper[] = [
  ...INDEXES.map((index) => ({
    name: index.name,
    isMissing: ({ indexes }: FoundSchema) => !indexes.includes(index.name),
    create: (query: Query, { table }: FoundSchema) => createIndex(query, table, index),
  })),
  ...OPTIONAL_COLUMNS.map(({ name, types }) => ({
    name,
    isMissing: (found: FoundSchema) => !optionalColumnsOf(found).includes(name),
    create: (query: Query, { table }: FoundSchema) => addColumn(query, table, name, types[0]!),
  })),
  {
    name: TRIGGER_NAME,
    isMissing: lacksTrigger,
    create: (query, found) => createTrigger(query, found, optionalColumnsOf(found)),
  },
];

function standingProblems(found: FoundSchema): readonly string[] {
  if (!found.isTable) return [`${found.table} is not a table, so it can have no trigger that notifies`];
  return found.triggerEnabled === false ? [`the trigger ${TRIGGER_NAME} is disabled`] : [];
}

async function createTableIfAllowed(query: Query): Promise<FoundSchema> {
  try {
    await createTable(query);
  } catch (thrown) {
    const state = thrown instanceof EdgeProxyError ? sqlStateOf(thrown) : undefined;
    if (!(thrown instanceof EdgeProxyError) || (state !== '42501' && state !== '3F000')) throw thrown;
    throw new EdgeProxyError(
      'ERR_POSTGRES_SCHEMA',
      `there is no table backends in the search path, and this role may not create it: let a role that may ` +
        `start edgeproxy once, or create the table and grant SELECT on it (${thrown.message})`,
      { cause: thrown },
    );
  }
  const created = await inspectSchema(query);
  if (created !== undefined) return created;
  throw new EdgeProxyError(
    'ERR_POSTGRES_SCHEMA',
    'the table backends was created but is not in the search path',
  );
}

/** Resolves with why it could not be created, or with `undefined`. */
async function tryToCreate(query: Query, helper: Helper, found: FoundSchema): Promise<string | undefined> {
  await query('SAVEPOINT helper');
  try {
    await helper.create(query, found);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof EdgeProxyError) || !TOLERATED_SQL_STATES.has(sqlStateOf(thrown))) throw thrown;
    await query('ROLLBACK TO SAVEPOINT helper');
    return `${helper.name} is missing: ${thrown.message}`;
  }
}

async function createMissing(query: Query): Promise<InitializedSchema> {
  await query('SELECT pg_advisory_xact_lock($1)', [INITIALIZE_LOCK]);
  await query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
  const before = await inspectSchema(query);
  let found = before ?? (await createTableIfAllowed(query));
  assertColumns(found);
  const created: string[] = before === undefined ? [found.table] : [];
  const problems = [...standingProblems(found)];
  /* oxlint-disable no-await-in-loop -- statements of one session run one after the other */
  for (const helper of found.isTable ? HELPERS : []) {
    if (!helper.isMissing(found)) continue;
    const problem = await tryToCreate(query, helper, found);
    if (problem === undefined) created.push(helper.name);
    else problems.push(problem);
    found = (await inspectSchema(query)) ?? found;
  }
  /* oxlint-enable no-await-in-loop */
  return initialized(found, created, problems);
}

function initialized(
  found: FoundSchema,
  created: readonly string[],
  problems: readonly string[],
): InitializedSchema {
  const notifies = found.triggerEnabled === true;
  return { table: found.table, created, optionalColumns: optionalColumnsOf(found), notifies, problems };
}

/**
 * Makes sure that `backends` is there as the seed gives it, and that its changes are notified.
 *
 * Looks first and runs no DDL when nothing is missing, so that a role that may only SELECT can start. Otherwise
 * everything is created in one transaction under an advisory lock: daemons that start at once create it once. No
 * row is touched. Rejects with `ERR_POSTGRES_SCHEMA` for a table of another shape or one that may not be created,
 * with `ERR_POSTGRES` when a statement fails. Source: seed, PostgreSQL Backend Repository, Schema.
 */
export async function initialize(pool: PostgresPool): Promise<InitializedSchema> {
  const found = await inspectSchema(pool.query);
  if (found === undefined) return pool.transaction(createMissing);
  assertColumns(found);
  if (found.isTable && HELPERS.some(({ isMissing }) => isMissing(found)))
    return pool.transaction(createMissing);
  return initialized(found, [], standingProblems(found));
}
