import { Pool, type PoolClient, type QueryResult } from 'pg';
import { EdgeProxyError } from '../../errors.ts';
import { clientConfig, type PostgresConnectionOptions } from './client-config.ts';
import { databaseLabel } from './database-url.ts';
import { postgresError } from './postgres-error.ts';
import { createSocketSet } from './socket-set.ts';

const CLOSE_GRACE_MS = 500;

/** Runs one statement and resolves with its rows; rejects with `ERR_POSTGRES`. */
export type Query = (text: string, values?: readonly unknown[]) => Promise<readonly unknown[]>;

export interface PostgresPoolOptions extends PostgresConnectionOptions {
  readonly maxConnections: number;
  readonly minConnections: number;
  /** A session died while nobody used it; the pool has already let it go. */
  readonly onError: (error: EdgeProxyError) => void;
}

/** Bounded sessions with the database. Every statement and every wait for a session ends in its timeout. */
export interface PostgresPool {
  /** `host:port/database`, safe to print. */
  readonly label: string;
  readonly query: Query;
  /** Runs `work` in one transaction: committed when it resolves; otherwise rolled back with its session. */
  readonly transaction: <T>(work: (query: Query) => Promise<T>) => Promise<T>;
  /** Opens sessions until `minConnections` are there; rejects with `ERR_POSTGRES` when one cannot be opened. */
  readonly warmUp: () => Promise<void>;
  /** How many sessions are open, and how many of them are at work. */
  readonly counts: () => { readonly open: number; readonly busy: number };
  /**
   * Ends all sessions, also of a database that does not answer. Never rejects; statements at
   * work fail, those that wait for a session fail at their connect timeout.
   */
  readonly close: () => Promise<void>;
}

function assertSizes({ maxConnections, minConnections }: PostgresPoolOptions): void {
  if (maxConnections >= 1 && minConnections >= 0 && minConnections <= maxConnections) return;
  throw new EdgeProxyError(
    'ERR_SETTINGS_INVALID',
    `postgres.min_connections = ${minConnections} and postgres.max_connections = ` +
      `${maxConnections}: expected 0 <= minimum <= maximum, and a maximum of 1 or more`,
    { setting: 'postgres.min_connections' },
  );
}

/** Creates a pool without connecting. Throws `ERR_SETTINGS_INVALID` for a wrong URL or wrong sizes. */
export function createPostgresPool(options: PostgresPoolOptions): PostgresPool {
  const label = databaseLabel(options.url);
  assertSizes(options);
  const sockets = createSocketSet();
  const { maxConnections: max, minConnections: min } = options;
  const pool = new Pool({ ...clientConfig(options, sockets), max, min });
  let closing: Promise<void> | undefined;

  // Without a listener for its `error` a lost session ends the process. One may be lost in the very packet that
  // completes it, before a promise can hand it over; the pool itself never gives a lost session out again.
  pool.on('connect', (client) => client.on('error', () => {}));
  pool.on('error', (error: Error & { client?: unknown }) => {
    // pg attaches the whole client, which a logger would print.
    delete error.client;
    if (closing === undefined) options.onError(postgresError(label, 'an idle session was lost', error));
  });

  const queryWith =
    (runner: { query: (text: string, values?: unknown[]) => Promise<QueryResult> }): Query =>
    async (text, values) => {
      try {
        return (await runner.query(text, values === undefined ? undefined : [...values])).rows as unknown[];
      } catch (thrown) {
        throw postgresError(label, 'a statement failed', thrown);
      }
    };

  const checkOut = (): Promise<PoolClient> =>
    pool.connect().catch((thrown: unknown) => {
      throw postgresError(label, 'cannot open a session', thrown);
    });

  async function transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    const client = await checkOut();
    const query = queryWith(client);
    try {
      await query('BEGIN');
      const result = await work(query);
      await query('COMMIT');
      client.release();
      return result;
    } catch (thrown) {
      client.release(
        thrown instanceof Error ? thrown : new Error('the transaction failed', { cause: thrown }),
      );
      throw thrown;
    }
  }

  async function warmUp(): Promise<void> {
    const busy = pool.totalCount - pool.idleCount;
    const taken = await Promise.allSettled(Array.from({ length: Math.max(0, min - busy) }, checkOut));
    for (const one of taken) if (one.status === 'fulfilled') one.value.release();
    const failed = taken.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async function shutDown(): Promise<void> {
    const ended = pool.end();
    await sockets.settle(CLOSE_GRACE_MS);
    await ended;
  }

  return {
    label,
    query: queryWith(pool),
    transaction,
    warmUp,
    counts: () => ({ open: pool.totalCount, busy: pool.totalCount - pool.idleCount }),
    close: () => (closing ??= shutDown()),
  };
}
