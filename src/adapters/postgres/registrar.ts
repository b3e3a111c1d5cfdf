import { z } from 'zod';
import { type Backend, parseBackendRows } from '../../domain/backend.ts';
import type { RegisteredBackend, Registrar, RegisterOutcome, Swept } from '../../domain/registration.ts';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import type { PostgresPool, Query } from './pool.ts';
import { orAdvice, sqlStateOf } from './postgres-error.ts';
import { prepareRegistrations } from './registration-schema.ts';
import { registrationStatements, YES } from './registration-statements.ts';

export interface PostgresRegistrarOptions {
  readonly pool: PostgresPool;
  /** Silence that takes a backend out, in whole seconds. */
  readonly ttlSecs: () => number;
}

type Statements = ReturnType<typeof registrationStatements>;

const NO = '0';
const GRANT =
  'keep registrations: GRANT SELECT, INSERT, UPDATE, DELETE ON backends, backend_heartbeats TO it';

const owner = z.object({ isRegistered: z.boolean(), isDeleted: z.boolean() });
const idRow = z.object({ id: z.string() });
const overdueRow = z.object({ id: z.string(), isExpired: z.boolean() });
const lookRow = z.object({ count: z.int(), overdue: z.int() });
const times = z.object({ ttlSecs: z.number(), heardSecsAgo: z.number(), registeredSecsAgo: z.number() });

const idsOf = (rows: readonly unknown[]): readonly string[] => rows.map((row) => idRow.parse(row).id);

const byId = ({ backend: a }: RegisteredBackend, { backend: b }: RegisteredBackend): number =>
  a.id < b.id ? -1 : 1;

/** A value that the columns of the table do not take: SQLSTATE classes 22 (data) and 23 (constraints). */
function isRefusedByTable(thrown: unknown): thrown is EdgeProxyError {
  return thrown instanceof EdgeProxyError && /^2[23]/.test(sqlStateOf(thrown) ?? '');
}

/** The statements of a pool, which say what is to be granted where the role lacks it. */
function advised({ query, transaction }: PostgresPool): Pick<PostgresPool, 'query' | 'transaction'> {
  const advise = (thrown: unknown): never => {
    throw orAdvice(thrown, GRANT);
  };
  return {
    query: (text, values) => query(text, values).catch(advise),
    transaction: (work) => transaction(work).catch(advise),
  };
}

/**
 * Registrations as rows of the `backends` table, for all daemons of a database.
 *
 * Rejects with `ERR_POSTGRES_SCHEMA` where the role may not, with `ERR_POSTGRES` when a statement fails otherwise.
 *
 * Prepares the schema before its first statement, until that succeeded once. Heartbeats are kept in a table of their
 * own and notify nobody. Any number of daemons may sweep at one time: each row is taken by one of them.
 */
export class PostgresRegistrar implements Registrar {
  readonly #options: PostgresRegistrarOptions;
  readonly #pool;
  #preparing: Promise<Statements> | undefined;
  #count = 0;

  constructor(options: PostgresRegistrarOptions) {
    this.#options = options;
    this.#pool = advised(options.pool);
  }

  get count(): number {
    return this.#count;
  }

  async register(backend: Backend, by: string): Promise<RegisterOutcome> {
    const statements = await this.#statements();
    try {
      const outcome = await this.#pool.transaction((query) => this.#write(query, statements, backend, by));
      if (outcome.result === 'registered') this.#count += 1;
      return outcome;
    } catch (thrown) {
      if (!isRefusedByTable(thrown)) throw thrown;
      return { result: 'refused', reason: messageOf(thrown.cause) };
    }
  }

  async heartbeat(id: string): Promise<'heard' | 'revived' | 'unknown'> {
    const { beat, revive } = await this.#statements();
    const { query } = this.#pool;
    if ((await query(beat, [id, this.#options.ttlSecs()])).length === 0) return 'unknown';
    // Not before the heartbeat is committed: a sweep that comes first has expired it, any other finds it alive.
    const isExpired = await this.#isExpired(id);
    if (isExpired !== true) return isExpired === undefined ? 'unknown' : 'heard';
    if ((await query(revive, [id])).length > 0) return 'revived';
    return (await this.#isExpired(id)) === undefined ? 'unknown' : 'heard';
  }

  async deregister(id: string): Promise<boolean> {
    const { deregister, forgetBeats } = await this.#statements();
    const { query } = this.#pool;
    if ((await query(deregister, [id])).length === 0) return false;
    this.#count = Math.max(0, this.#count - 1);
    await query(forgetBeats, [[id]]);
    return true;
  }

  async list(): Promise<readonly RegisteredBackend[]> {
    const { list } = await this.#statements();
    return (await this.#pool.query(list())).flatMap(toRegistered).toSorted(byId);
  }

  async find(id: string): Promise<RegisteredBackend | undefined> {
    const { list } = await this.#statements();
    const [row] = await this.#pool.query(list('b.id = $1'), [id]);
    return row === undefined ? undefined : toRegistered(row)[0];
  }

  async sweep(watchedMs: number): Promise<Swept> {
    const { look, forgetOrphans } = await this.#statements();
    const { query } = this.#pool;
    const watchedSecs = watchedMs / 1000;
    const { count, overdue } = lookRow.parse((await query(look, [watchedSecs]))[0]);
    this.#count = count;
    await query(forgetOrphans);
    if (overdue === 0) return { expired: [], removed: [] };
    const swept = await this.#pool.transaction((tx) => this.#sweepOverdue(tx, watchedSecs));
    this.#count = Math.max(0, this.#count - swept.removed.length);
    return swept;
  }

  /** An update notifies even when it changes nothing, so none is made for nobody. */
  async #sweepOverdue(query: Query, watchedSecs: number): Promise<Swept> {
    const { lockOverdue, expire, remove, forgetBeats } = await this.#statements();
    const overdue = (await query(lockOverdue, [watchedSecs])).map((row) => overdueRow.parse(row));
    const silent = overdue.filter(({ isExpired }) => !isExpired).map(({ id }) => id);
    const over = overdue.filter(({ isExpired }) => isExpired).map(({ id }) => id);
    const expired = silent.length === 0 ? [] : idsOf(await query(expire, [silent, YES]));
    const removed = over.length === 0 ? [] : idsOf(await query(remove, [over]));
    if (removed.length > 0) await query(forgetBeats, [removed]);
    return { expired, removed };
  }

  async #write(
    query: Query,
    { ownerOf, beatOfRegistration, touch, upsert }: Statements,
    backend: Backend,
    by: string,
  ): Promise<RegisterOutcome> {
    const [row] = await query(ownerOf, [backend.id]);
    const before = row === undefined ? undefined : owner.parse(row);
    if (before !== undefined && !before.isRegistered) {
      return { result: 'taken', reason: 'was inserted in SQL and is changed there' };
    }
    if (before?.isDeleted === true) {
      return { result: 'taken', reason: 'was marked as deleted in SQL; it is free once its row is gone' };
    }
    const { id, app, region, country, host, port, weight, softLimit, hardLimit } = backend;
    const columns = [id, app, region, country, host, port, weight, softLimit, hardLimit];
    await query(beatOfRegistration, [id, this.#options.ttlSecs(), by]);
    if (before !== undefined && (await query(touch, columns)).length > 0) return { result: 'unchanged' };
    if ((await query(upsert, [...columns, YES, NO])).length === 0) {
      return { result: 'taken', reason: 'has just been taken over in SQL' };
    }
    return { result: before === undefined ? 'registered' : 'updated' };
  }

  async #isExpired(id: string): Promise<boolean | undefined> {
    const { standing } = await this.#statements();
    const [row] = await this.#pool.query(standing, [id]);
    return row === undefined ? undefined : z.object({ isExpired: z.boolean() }).parse(row).isExpired;
  }

  #statements(): Promise<Statements> {
    this.#preparing ??= prepareRegistrations(this.#options.pool).then(registrationStatements);
    // A database that comes up later is prepared then.
    this.#preparing.catch(() => (this.#preparing = undefined));
    return this.#preparing;
  }
}

const toMs = (seconds: number): number => Math.max(0, seconds) * 1000;

/** A row that somebody made bad in SQL is no backend, and is not shown. */
function toRegistered(row: unknown): readonly RegisteredBackend[] {
  const { ttlSecs, heardSecsAgo, registeredSecsAgo } = times.parse(row);
  return parseBackendRows([row]).backends.map((backend) => ({
    backend,
    ttlMs: ttlSecs * 1000,
    heardMsAgo: toMs(heardSecsAgo),
    registeredMsAgo: toMs(registeredSecsAgo),
  }));
}
