import { describe, expect, onTestFinished, test } from 'vitest';
import { initialize } from '../../../src/adapters/postgres/initialize.ts';
import type { PostgresPool } from '../../../src/adapters/postgres/pool.ts';
import { readBackends } from '../../../src/adapters/postgres/read-backends.ts';
import { PostgresRegistrar } from '../../../src/adapters/postgres/registrar.ts';
import { aBackend } from '../../support/backends.ts';
import { connect, type TestDatabase } from '../../support/postgres.ts';
import { until } from '../../support/until.ts';
import { INSERT_BACKEND, SEED_SCHEMA, testDatabase, testPool, urlOfRole } from './helpers.ts';

const TTL_SECS = 60;
/** Watched for long enough that all silence counts. */
const LONG_MS = 3_600_000;
const NOTHING = { expired: [], removed: [] };

const registrarOf = (pool: PostgresPool): PostgresRegistrar =>
  new PostgresRegistrar({ pool, ttlSecs: () => TTL_SECS });

async function aRegistrar() {
  const database = await testDatabase();
  const pool = testPool(database.url);
  return { database, pool, registrar: registrarOf(pool) };
}

/** Has the last heartbeat of a backend been so many seconds ago. */
const silentFor = (database: TestDatabase, id: string, secs: number) =>
  database.query(
    `UPDATE backend_heartbeats SET last_heartbeat = clock_timestamp() - make_interval(secs => $2) WHERE id = $1`,
    [id, secs],
  );

const idsOf = async (pool: PostgresPool): Promise<readonly string[]> =>
  (await readBackends(pool, ['expired'])).backends.map(
    ({ id, expired }) => `${id}${expired ? ' expired' : ''}`,
  );

describe('a registration', () => {
  test('is a row that daemons read, and the same again is no change', async () => {
    const { pool, registrar } = await aRegistrar();
    const backend = aBackend({ id: 'a', host: '2001:db8::1', country: 'DE', region: 'eu' });
    expect(await registrar.register(backend, '192.0.2.1')).toEqual({ result: 'registered' });
    expect(await registrar.register(backend, '192.0.2.1')).toEqual({ result: 'unchanged' });
    expect((await readBackends(pool, ['expired'])).backends).toEqual([backend]);
    expect(await registrar.register({ ...backend, port: 99 }, '192.0.2.1')).toEqual({ result: 'updated' });
    expect(await registrar.find('a')).toMatchObject({
      backend: { id: 'a', port: 99 },
      ttlMs: TTL_SECS * 1000,
    });
    expect([await registrar.find('b'), registrar.count]).toEqual([undefined, 1]);
  });

  test('is found by every daemon of the database', async () => {
    const { database, registrar } = await aRegistrar();
    await registrar.register(aBackend({ id: 'b' }), 'x');
    const other = registrarOf(testPool(database.url));
    await other.register(aBackend({ id: 'a' }), 'x');
    expect((await registrar.list()).map(({ backend }) => backend.id)).toEqual(['a', 'b']);
    expect(await other.heartbeat('b')).toBe('heard');
    expect(await other.deregister('b')).toBe(true);
    expect(await registrar.deregister('b')).toBe(false);
    expect(await registrar.heartbeat('b')).toBe('unknown');
    await registrar.sweep(0);
    expect(registrar.count).toBe(1);
  });

  test('never takes an id that was inserted in SQL, and touches nothing of it', async () => {
    const { database, registrar } = await aRegistrar();
    await registrar.list();
    await database.query(INSERT_BACKEND, ['sql']);
    const before = await database.query('SELECT b.*, xmin FROM backends b');
    expect(await registrar.register(aBackend({ id: 'sql' }), 'x')).toEqual({
      result: 'taken',
      reason: 'was inserted in SQL and is changed there',
    });
    expect(await registrar.heartbeat('sql')).toBe('unknown');
    expect(await registrar.deregister('sql')).toBe(false);
    expect(await registrar.find('sql')).toBeUndefined();
    expect(await registrar.sweep(LONG_MS)).toEqual(NOTHING);
    expect(await database.query('SELECT b.*, xmin FROM backends b')).toEqual(before);
  });

  test('leaves the switches of the operator as they are', async () => {
    const { database, pool, registrar } = await aRegistrar();
    await registrar.register(aBackend({ id: 'a' }), 'x');
    await database.query("UPDATE backends SET healthy = 0, proxy_protocol = 'v2'");
    await registrar.register(aBackend({ id: 'a', port: 5 }), 'x');
    expect((await readBackends(pool, ['proxy_protocol'])).backends).toMatchObject([
      { adminUp: false, proxyProtocol: 'v2', port: 5 },
    ]);
  });

  test('of an id that the operator has marked as deleted is refused until the row is gone', async () => {
    const { database, pool, registrar } = await aRegistrar();
    await registrar.register(aBackend({ id: 'a' }), 'x');
    await database.query('UPDATE backends SET deleted = 1');
    expect(await registrar.register(aBackend({ id: 'a' }), 'x')).toMatchObject({ result: 'taken' });
    expect(await registrar.heartbeat('a')).toBe('unknown');
    await silentFor(database, 'a', 10 * TTL_SECS);
    expect(await registrar.sweep(LONG_MS)).toEqual(NOTHING);
    expect(await idsOf(pool)).toEqual(['a']);
    await database.query('DELETE FROM backends');
    expect(await registrar.register(aBackend({ id: 'a' }), 'x')).toEqual({ result: 'registered' });
  });

  test('that the operator deletes and inserts again in SQL is the operator’s', async () => {
    const { database, pool, registrar } = await aRegistrar();
    await registrar.register(aBackend({ id: 'a' }), 'x');
    await database.query('TRUNCATE backends');
    await database.query(INSERT_BACKEND, ['a']);
    await silentFor(database, 'a', 10 * TTL_SECS);
    expect(await registrar.heartbeat('a')).toBe('unknown');
    expect(await registrar.sweep(LONG_MS)).toEqual(NOTHING);
    expect(await registrar.sweep(LONG_MS)).toEqual(NOTHING);
    expect(await idsOf(pool)).toEqual(['a']);
  });

  test('that the table does not take is refused with the reason of the database', async () => {
    const database = await testDatabase();
    await database.query(SEED_SCHEMA.replace('app TEXT', 'app VARCHAR(3)'));
    const registrar = registrarOf(testPool(database.url));
    expect(await registrar.register(aBackend({ id: 'a', app: 'long' }), 'x')).toEqual({
      result: 'refused',
      reason: 'value too long for type character varying(3)',
    });
    expect(await registrar.list()).toEqual([]);
  });

  test('is possible in a table of close kin', async () => {
    const database = await testDatabase();
    await database.query(`
      CREATE TABLE backends (
        id VARCHAR(50) PRIMARY KEY, app TEXT, region CHAR(2), country CHAR(2), wg_ip INET, port INTEGER,
        healthy BOOLEAN, weight SMALLINT, soft_limit INTEGER, hard_limit INTEGER, deleted BOOLEAN, expired BOOLEAN)`);
    const pool = testPool(database.url);
    const registrar = registrarOf(pool);
    const backend = aBackend({ id: 'kin', host: '10.50.1.1' });
    expect(await registrar.register(backend, 'x')).toEqual({ result: 'registered' });
    expect(await registrar.register(backend, 'x')).toEqual({ result: 'unchanged' });
    expect(await registrar.list()).toMatchObject([{ backend }]);
    await silentFor(database, 'kin', TTL_SECS);
    expect(await registrar.sweep(LONG_MS)).toEqual({ expired: ['kin'], removed: [] });
    expect(await idsOf(pool)).toEqual(['kin expired']);
    expect(await registrar.heartbeat('kin')).toBe('revived');
    expect(await idsOf(pool)).toEqual(['kin']);
  });
});

describe('silence', () => {
  test('takes a backend out after a TTL and removes it after another one, by the clock of the database', async () => {
    const { database, pool, registrar } = await aRegistrar();
    await registrar.register(aBackend({ id: 'a' }), 'x');
    await registrar.register(aBackend({ id: 'b' }), 'x');
    await silentFor(database, 'a', TTL_SECS - 5);
    expect(await registrar.sweep(LONG_MS)).toEqual(NOTHING);
    await silentFor(database, 'a', TTL_SECS);
    expect(await registrar.sweep(LONG_MS)).toEqual({ expired: ['a'], removed: [] });
    expect(await idsOf(pool)).toEqual(['a expired', 'b']);
    expect(await registrar.sweep(LONG_MS)).toEqual(NOTHING);
    await silentFor(database, 'a', 2 * TTL_SECS);
    expect(await registrar.sweep(LONG_MS)).toEqual({ expired: [], removed: ['a'] });
    expect(await idsOf(pool)).toEqual(['b']);
    expect(await database.query('SELECT id FROM backend_heartbeats')).toEqual([{ id: 'b' }]);
    expect(registrar.count).toBe(1);
  });

  test('counts only as far as heartbeats could have been heard', async () => {
    const { database, registrar } = await aRegistrar();
    await registrar.register(aBackend({ id: 'a' }), 'x');
    await silentFor(database, 'a', 10 * TTL_SECS);
    expect(await registrar.sweep(TTL_SECS * 1000 - 1)).toEqual(NOTHING);
    expect(await registrar.sweep(TTL_SECS * 1000)).toEqual({ expired: ['a'], removed: [] });
    expect(await registrar.sweep(2 * TTL_SECS * 1000 - 1)).toEqual(NOTHING);
    expect(await registrar.sweep(2 * TTL_SECS * 1000)).toEqual({ expired: [], removed: ['a'] });
  });

  test('ends with a heartbeat or a registration, which takes the backend in again', async () => {
    const { database, pool, registrar } = await aRegistrar();
    for (const speak of [
      () => registrar.heartbeat('a'),
      () => registrar.register(aBackend({ id: 'a' }), 'x'),
    ]) {
      await registrar.register(aBackend({ id: 'a' }), 'x');
      await silentFor(database, 'a', TTL_SECS);
      await registrar.sweep(LONG_MS);
      await speak();
      expect(await idsOf(pool)).toEqual(['a']);
      expect(await registrar.sweep(LONG_MS)).toEqual(NOTHING);
    }
  });

  test('is swept by one of many daemons, each backend once', async () => {
    const { database, registrar } = await aRegistrar();
    const ids = Array.from({ length: 50 }, (_, index) => `b${String(index).padStart(2, '0')}`);
    for (const id of ids) await registrar.register(aBackend({ id }), 'x');
    const daemons = Array.from({ length: 4 }, () => registrarOf(testPool(database.url)));
    await Promise.all(daemons.map((daemon) => daemon.list()));
    const secondsOf = { expired: TTL_SECS, removed: 2 * TTL_SECS };
    for (const kind of ['expired', 'removed'] as const) {
      for (const id of ids) await silentFor(database, id, secondsOf[kind]);
      const swept: string[] = [];
      const sweepAll = async (): Promise<boolean> => {
        const all = await Promise.all(daemons.map((daemon) => daemon.sweep(LONG_MS)));
        swept.push(...all.flatMap((one) => one[kind]));
        return swept.length >= ids.length;
      };
      await until(sweepAll, { what: `${kind} to be complete` });
      expect(swept.toSorted()).toEqual(ids);
    }
  });

  test('loses against a heartbeat that comes while it is swept', async () => {
    const { database, pool, registrar } = await aRegistrar();
    await registrar.register(aBackend({ id: 'a' }), 'x');
    const sweeper = registrarOf(testPool(database.url));
    await sweeper.list();
    for (let round = 0; round < 50; round++) {
      await silentFor(database, 'a', TTL_SECS);
      await Promise.all([registrar.heartbeat('a'), sweeper.sweep(LONG_MS)]);
      expect(await idsOf(pool)).toEqual(['a']);
    }
  });

  test('forgets the heartbeats of rows that are gone', async () => {
    const { database, registrar } = await aRegistrar();
    await registrar.register(aBackend({ id: 'a' }), 'x');
    await database.query('DELETE FROM backends');
    await registrar.sweep(LONG_MS);
    expect(await database.query('SELECT id FROM backend_heartbeats')).toEqual([{ id: 'a' }]);
    await silentFor(database, 'a', 2 * TTL_SECS + 1);
    await registrar.sweep(LONG_MS);
    expect(await database.query('SELECT id FROM backend_heartbeats')).toEqual([]);
  });
});

test('only what changes who is routed to is notified', async () => {
  const { database, registrar } = await aRegistrar();
  await registrar.register(aBackend({ id: 'a' }), 'x');
  const listener = await connect(database.url);
  onTestFinished(() => listener.end());
  let notified: (string | undefined)[] = [];
  listener.on('notification', ({ payload }) => notified.push(payload));
  await listener.query('LISTEN edgeproxy_backends');
  /** How many notifications come of a deed; they come in order, so all of them are there with the mark. */
  const notifications = async (deed: () => Promise<unknown>): Promise<number> => {
    notified = [];
    await deed();
    await database.query("NOTIFY edgeproxy_backends, 'mark'");
    await until(() => notified.includes('mark'), { what: 'the mark' });
    return notified.length - 1;
  };
  const silence = (secs: number) => silentFor(database, 'a', secs);
  expect(await notifications(() => registrar.heartbeat('a'))).toBe(0);
  expect(await notifications(() => registrar.register(aBackend({ id: 'a' }), 'x'))).toBe(0);
  expect(await notifications(() => registrar.sweep(LONG_MS))).toBe(0);
  expect(await notifications(() => registrar.register(aBackend({ id: 'a', port: 2 }), 'x'))).toBe(1);
  await silence(TTL_SECS);
  expect(await notifications(() => registrar.sweep(LONG_MS))).toBe(1);
  expect(await notifications(() => registrar.sweep(LONG_MS))).toBe(0);
  expect(await notifications(() => registrar.heartbeat('a'))).toBe(1);
  await silence(TTL_SECS);
  await registrar.sweep(LONG_MS);
  await silence(2 * TTL_SECS);
  expect(await notifications(() => registrar.sweep(LONG_MS))).toBe(1);
});

describe('the schema', () => {
  test('is made once when eight daemons register at once', async () => {
    const database = await testDatabase();
    const registrars = Array.from({ length: 8 }, () => registrarOf(testPool(database.url)));
    const outcomes = await Promise.all(
      registrars.map((registrar, index) => registrar.register(aBackend({ id: `b${index}` }), 'x')),
    );
    expect(outcomes.every(({ result }) => result === 'registered')).toBe(true);
    expect(await registrars[0]!.list()).toHaveLength(8);
  });

  test('is enough for a role that may not make it, once it is there', async () => {
    const { database, registrar } = await aRegistrar();
    await registrar.list();
    const grants = ['GRANT SELECT, INSERT, UPDATE, DELETE ON backends, backend_heartbeats TO ROLE'];
    const other = registrarOf(testPool(await urlOfRole(database, grants)));
    await other.register(aBackend({ id: 'a' }), 'x');
    await silentFor(database, 'a', TTL_SECS);
    expect(await other.sweep(LONG_MS)).toEqual({ expired: ['a'], removed: [] });
    expect(await other.heartbeat('a')).toBe('revived');
    expect(await other.deregister('a')).toBe(true);
  });

  test('is named where it is missing and may not be made', async () => {
    const database = await testDatabase();
    await database.query(SEED_SCHEMA);
    const grants = ['GRANT SELECT, INSERT, UPDATE, DELETE ON backends TO ROLE'];
    const registrar = registrarOf(testPool(await urlOfRole(database, grants)));
    await expect(registrar.register(aBackend(), 'x')).rejects.toMatchObject({
      code: 'ERR_POSTGRES_SCHEMA',
      message: expect.stringMatching(/cannot register themselves in public\.backends: .*expired is missing/),
    });
  });

  test('cannot be made in a table of another owner, which is said', async () => {
    const database = await testDatabase();
    await initialize(testPool(database.url));
    const grants = ['GRANT SELECT ON backends TO ROLE'];
    const registrar = registrarOf(testPool(await urlOfRole(database, grants)));
    await expect(registrar.list()).rejects.toMatchObject({
      code: 'ERR_POSTGRES_SCHEMA',
      message: expect.stringContaining('let the owner of that table start edgeproxy once with the API on'),
    });
  });

  test('says what to grant to a role that may only look, for writes and for reads', async () => {
    const { database, registrar } = await aRegistrar();
    await registrar.list();
    const reader = registrarOf(testPool(await urlOfRole(database, ['GRANT SELECT ON backends TO ROLE'])));
    const works = [() => reader.register(aBackend(), 'x'), () => reader.list(), () => reader.sweep(LONG_MS)];
    await Promise.all(
      works.map((work) =>
        expect(work()).rejects.toMatchObject({
          code: 'ERR_POSTGRES_SCHEMA',
          message: expect.stringContaining(
            'GRANT SELECT, INSERT, UPDATE, DELETE ON backends, backend_heartbeats TO it',
          ),
        }),
      ),
    );
  });

  test('lives beside the table that the search path finds, also under a name to quote', async () => {
    const database = await testDatabase();
    await database.query('CREATE SCHEMA "Edge Proxy"');
    const url = new URL(database.url);
    url.searchParams.set('options', '-c search_path="Edge\\ Proxy",public');
    const registrar = registrarOf(testPool(url.href));
    expect(await registrar.register(aBackend({ id: 'a' }), 'x')).toEqual({ result: 'registered' });
    expect(await registrar.heartbeat('a')).toBe('heard');
    expect(await database.query('SELECT id FROM "Edge Proxy".backend_heartbeats')).toEqual([{ id: 'a' }]);
  });
});
