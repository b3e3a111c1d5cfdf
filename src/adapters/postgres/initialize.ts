import { EdgeProxyError } from '../../errors.ts';
import { createIndex, INDEXES } from './create-index.ts';
import { createTable } from './create-table.ts';
import { createTrigger } from './create-trigger.ts';
import { inspectSchema, type FoundSchema } from './inspect-schema.ts';
import { COLUMNS, TRIGGER_NAME } from './names.ts';
import type { PostgresPool, Query } from './pool.ts';
import { sqlStateOf } from './postgres-error.ts';

/** One lock for all daemons of a database; the number is arbitrary and must only stay the same. */
const INITIALIZE_LOCK = 4_919_220_831;

/** Not allowed, or not possible for a table of this shape: the backends can be read all the same. */
const TOLERATED_SQL_STATES: ReadonlySet<string | undefined> = new Set(['42501', '42883', '42809']);

export interface InitializedSchema {
  /** The qualified name of the table that `backends` means. */
  readonly table: string;
  /** What this call created: nothing, when all was there. */
  readonly created: readonly string[];
  /** Whether changes are notified; if not, only the poll sees them, and `problems` says why. */
  readonly notifies: boolean;
  /** What is missing and could not be created, each with its reason. Never an obstacle to reading. */
  readonly problems: readonly string[];
}

function assertColumns({ table, columns }: FoundSchema): void {
  const problems = COLUMNS.flatMap(({ name, types }) => {
    const column = columns.find((candidate) => candidate.name === name);
    if (column === undefined) return [`${name} is missing (${types[0]})`];
    return types.includes(column.baseType)
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

interface Helper {
  readonly name: string;
  readonly create: (query: Query) => Promise<void>;
}

/** The indexes and the trigger that the table could have and has not. */
function missingOf({ schema, table, isTable, indexes, triggerEnabled }: FoundSchema): readonly Helper[] {
  if (!isTable) return [];
  const missing: Helper[] = INDEXES.filter(({ name }) => !indexes.includes(name)).map((index) => ({
    name: index.name,
    create: (query) => createIndex(query, table, index),
  }));
  if (triggerEnabled === null) {
    missing.push({ name: TRIGGER_NAME, create: (query) => createTrigger(query, schema, table) });
  }
  return missing;
}

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
async function tryToCreate(query: Query, { name, create }: Helper): Promise<string | undefined> {
  await query('SAVEPOINT helper');
  try {
    await create(query);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof EdgeProxyError) || !TOLERATED_SQL_STATES.has(sqlStateOf(thrown))) throw thrown;
    await query('ROLLBACK TO SAVEPOINT helper');
    return `${name} is missing: ${thrown.message}`;
  }
}

async function createMissing(query: Query): Promise<InitializedSchema> {
  await query('SELECT pg_advisory_xact_lock($1)', [INITIALIZE_LOCK]);
  const before = await inspectSchema(query);
  const found = before ?? (await createTableIfAllowed(query));
  assertColumns(found);
  const created: string[] = before === undefined ? [found.table] : [];
  const problems = [...standingProblems(found)];
  for (const helper of missingOf(found)) {
    // oxlint-disable-next-line no-await-in-loop -- statements of one session run one after the other
    const problem = await tryToCreate(query, helper);
    if (problem === undefined) created.push(helper.name);
    else problems.push(problem);
  }
  const notifies = found.triggerEnabled === true || created.includes(TRIGGER_NAME);
  return { table: found.table, created, notifies, problems };
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
  if (missingOf(found).length > 0) return pool.transaction(createMissing);
  return {
    table: found.table,
    created: [],
    notifies: found.triggerEnabled === true,
    problems: standingProblems(found),
  };
}
