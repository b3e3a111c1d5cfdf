import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createPostgresPool, type PostgresPoolOptions } from '../../../src/adapters/postgres/pool.ts';
import type { EdgeProxyError } from '../../../src/errors.ts';
import { startOwnCluster, type TestDatabase } from '../../support/postgres.ts';
import { once } from '../../support/sockets.ts';
import { until } from '../../support/until.ts';
import { testDatabase, testPool, TIMEOUTS } from './helpers.ts';

async function sessionsOf(database: TestDatabase): Promise<number> {
  const rows = await database.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'edgeproxy'`,
  );
  return rows.length;
}

const ownCluster = async () => {
  const cluster = await startOwnCluster();
  onTestFinished(() => cluster.stop());
  return cluster;
};

describe('sizes', () => {
  test('warming up opens the minimum, again after sessions were lost', async () => {
    const database = await testDatabase();
    const lost: EdgeProxyError[] = [];
    const pool = testPool(database.url, { minConnections: 3, onError: (error) => lost.push(error) });

    await pool.warmUp();
    expect(await sessionsOf(database)).toBe(3);
    await pool.warmUp();
    expect(await sessionsOf(database)).toBe(3);

    await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'edgeproxy'
      AND datname = current_database()`);
    await until(() => lost.length === 3, { what: 'the loss of three sessions' });
    expect(lost[0]).toMatchObject({
      code: 'ERR_POSTGRES',
      message: expect.stringMatching(
        /an idle session was lost at 127\.0\.0\.1:\d+\/test_.*terminating connection/,
      ),
    });
    expect(lost[0]?.cause).not.toHaveProperty('client');

    await pool.warmUp();
    expect(await sessionsOf(database)).toBe(3);
  });

  test('never opens more than the maximum', async () => {
    const database = await testDatabase();
    const pool = testPool(database.url, { maxConnections: 2 });
    const answers = Array.from({ length: 10 }, () => pool.query('SELECT pg_backend_pid() AS pid'));
    const peak = pool.counts();
    const pids = (await Promise.all(answers)).map(([row]) => Reflect.get(Object(row), 'pid'));
    expect(peak).toEqual({ open: 2, busy: 2 });
    expect(new Set(pids).size).toBe(2);
  });

  test('a query that finds every session busy waits for the connect timeout at most', async () => {
    const database = await testDatabase();
    const pool = testPool(database.url, { maxConnections: 1, connectTimeoutMs: 100 });
    await pool.transaction(async () => {
      await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'ERR_POSTGRES' });
    });
  });

  test.each([
    { minConnections: 5, maxConnections: 4 },
    { minConnections: 0, maxConnections: 0 },
    { minConnections: -1, maxConnections: 4 },
  ] satisfies Partial<PostgresPoolOptions>[])('%o are refused', (sizes) => {
    expect(() => testPool('postgres://u@h/d', sizes)).toThrow(
      expect.objectContaining({
        code: 'ERR_SETTINGS_INVALID',
        message: expect.stringContaining('postgres.min_connections'),
      }),
    );
  });
});

describe('timeouts', () => {
  test('the server cancels a statement too, so that it does not go on without us', async () => {
    const database = await testDatabase();
    const pool = testPool(database.url, { queryTimeoutMs: 1500 });
    expect(await pool.query('SHOW statement_timeout')).toEqual([{ statement_timeout: '1500ms' }]);
  });

  test('a statement of a frozen database fails within the query timeout, and the pool recovers', async () => {
    const cluster = await ownCluster();
    const pool = testPool(cluster.url, { queryTimeoutMs: 300 });
    await pool.query('SELECT 1');
    await cluster.freeze();
    const startedMs = performance.now();
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({
      code: 'ERR_POSTGRES',
      message: expect.stringContaining('timeout'),
    });
    expect(performance.now() - startedMs).toBeLessThan(2000);
    await cluster.thaw();
    expect(await pool.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('a server that accepts and says nothing fails within the connect timeout', async () => {
    const mute = createServer(() => {}).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    onTestFinished(() => void mute.close());
    const address = mute.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const pool = testPool(`postgres://u:hunter2@127.0.0.1:${port}/d`, { connectTimeoutMs: 100 });
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({
      code: 'ERR_POSTGRES',
      message: expect.stringMatching(new RegExp(`at 127.0.0.1:${port}/d: .*time`)),
    });
    await expect(pool.warmUp()).resolves.toBeUndefined();
  });
});

describe('transactions', () => {
  test('are rolled back when the work fails', async () => {
    const database = await testDatabase();
    const pool = testPool(database.url);
    const failing = pool.transaction(async (query) => {
      await query('CREATE TABLE half_done (id int)');
      throw new Error('enough');
    });
    await expect(failing).rejects.toThrow('enough');
    expect(await pool.query(`SELECT to_regclass('half_done') AS found`)).toEqual([{ found: null }]);
  });

  test('a session that dies between two statements fails the next one, not the process', async () => {
    const database = await testDatabase();
    const pool = testPool(database.url);
    const failing = pool.transaction(async (query) => {
      await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'edgeproxy'`);
      await until(async () => (await sessionsOf(database)) === 0, { what: 'the end of the session' });
      await query('SELECT 1');
    });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_POSTGRES' });
    expect(await pool.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });
});

describe('the end', () => {
  test('leaves no session, and may be asked for twice', async () => {
    const database = await testDatabase();
    const pool = testPool(database.url, { minConnections: 2 });
    await pool.warmUp();
    await Promise.all([pool.close(), pool.close()]);
    await until(async () => (await sessionsOf(database)) === 0, { what: 'the end of the sessions' });
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'ERR_POSTGRES' });
  });

  test('does not wait for a frozen database', async () => {
    const cluster = await ownCluster();
    const pool = testPool(cluster.url, { minConnections: 2 });
    await pool.warmUp();
    await cluster.freeze();
    const unanswered = pool.query('SELECT 1').catch((thrown: unknown) => thrown);
    await until(() => pool.counts().busy === 1, { what: 'the statement to be at work' });
    const startedMs = performance.now();
    await pool.close();
    expect(await unanswered).toMatchObject({ code: 'ERR_POSTGRES' });
    expect(performance.now() - startedMs).toBeLessThan(3000);
  });
});

test('no error text holds the password', async () => {
  const { hostname, port, pathname } = new URL((await testDatabase()).url);
  for (const url of [
    `postgres://nobody:hunter2@${hostname}:${port}${pathname}`,
    `postgres://postgres:hunter2@${hostname}:${port}/nowhere`,
    `postgres://postgres:hunter2@no.such.host.invalid:${port}/d`,
    `postgres://postgres:hunter2@${hostname}:1/d`,
  ]) {
    const pool = createPostgresPool({
      url,
      ...TIMEOUTS,
      maxConnections: 1,
      minConnections: 0,
      onError: () => {},
    });
    // oxlint-disable no-await-in-loop -- one after the other is as good
    const failure: unknown = await pool.query('SELECT 1').catch((thrown: unknown) => thrown);
    await pool.close();
    // oxlint-enable no-await-in-loop
    expect(failure).toMatchObject({ code: 'ERR_POSTGRES' });
    expect(String(failure) + JSON.stringify(failure)).not.toContain('hunter2');
  }
});
