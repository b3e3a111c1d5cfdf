import { describe, expect, test } from 'vitest';
import { initialize } from '../../../src/adapters/postgres/initialize.ts';
import { initializeSettings, readSettingRows } from '../../../src/adapters/postgres/settings-table.ts';
import { connect } from '../../support/postgres.ts';
import { until } from '../../support/until.ts';
import { testDatabase, testPool, urlOfRole } from './helpers.ts';

const SCOPE = { region: 'sa', node: 'edge-1' };
const CREATED = {
  isThere: true,
  isReadable: true,
  notifies: true,
  created: ['table', 'trigger'],
  problem: undefined,
};
const FOUND = { ...CREATED, created: [] };

const put = (key: string, value: string, scope = ''): string =>
  scope === ''
    ? `INSERT INTO edgeproxy.settings (key, value) VALUES ('${key}', '${value}')`
    : `INSERT INTO edgeproxy.settings (key, value, ${scope.split(' ')[0]}) VALUES ('${key}', '${value}', '${scope.split(' ')[1]}')`;

test('eight daemons that start at once create it once', async () => {
  const database = await testDatabase();
  const pools = Array.from({ length: 8 }, () => testPool(database.url));
  const results = await Promise.all(pools.map(initializeSettings));
  expect(results.flatMap(({ created }) => created)).toEqual(['table', 'trigger']);
  expect(results.every(({ notifies, isReadable }) => notifies && isReadable)).toBe(true);
});

test('a second call runs no DDL', async () => {
  const database = await testDatabase();
  const pool = testPool(database.url);
  expect(await initializeSettings(pool)).toEqual(CREATED);
  const catalog = 'SELECT count(*), max(xmin::text::bigint) FROM pg_class';
  const before = await database.query(catalog);
  expect(await initializeSettings(pool)).toEqual(FOUND);
  expect(await database.query(catalog)).toEqual(before);
});

test('every statement on what is wanted notifies on the channel of the backends, and no other one', async () => {
  const database = await testDatabase();
  await initializeSettings(testPool(database.url));
  const listener = await connect(database.url);
  let notified = 0;
  listener.on('notification', () => (notified += 1));
  await listener.query('LISTEN edgeproxy_backends');
  const statements = [
    [put('log_level', '"warn"'), 1],
    [`UPDATE edgeproxy.settings SET value = '"info"'`, 1],
    [`UPDATE edgeproxy.settings SET updated_by = 'me'`, 0],
    ['DELETE FROM edgeproxy.settings WHERE false', 1],
    ['TRUNCATE edgeproxy.settings', 1],
  ] as const;
  for (const [statement, times] of statements) {
    notified = 0;
    await database.query(statement);
    if (times > 0) await until(() => notified > 0, { what: `a notification of ${statement}` });
    await listener.query('SELECT 1');
    expect([statement, notified]).toEqual([statement, times]);
  }
  await listener.end();
});

test('says who has changed a row, and when', async () => {
  const database = await testDatabase();
  await initializeSettings(testPool(database.url));
  await database.query(
    `INSERT INTO edgeproxy.settings (key, value, updated_at, updated_by) VALUES ('log_level', '"warn"', '2000-01-01', 'x')`,
  );
  await database.query(`UPDATE edgeproxy.settings SET value = '"info"'`);
  expect(
    await database.query(
      'SELECT updated_by = current_user AS "isMe", updated_at > now() - interval \'1 hour\' AS "isNow" FROM edgeproxy.settings',
    ),
  ).toEqual([{ isMe: true, isNow: true }]);
});

test('takes one row for a key and a scope, by ON CONFLICT too', async () => {
  const database = await testDatabase();
  await initializeSettings(testPool(database.url));
  await database.query(put('log_level', '"warn"'));
  await expect(database.query(put('log_level', '"info"'))).rejects.toThrow('duplicate key');
  await database.query(
    `${put('log_level', '"info"')} ON CONFLICT (key, region, node) DO UPDATE SET value = EXCLUDED.value`,
  );
  await expect(
    database.query(`INSERT INTO edgeproxy.settings VALUES ('log_level', '1', 'sa', 'edge-1')`),
  ).rejects.toThrow('check constraint');
  expect(await database.query('SELECT value FROM edgeproxy.settings')).toEqual([{ value: 'info' }]);
});

describe('reading', () => {
  test('gives the rows that concern the daemon, in a fixed order, with values of any type', async () => {
    const database = await testDatabase();
    const pool = testPool(database.url);
    await initializeSettings(pool);
    for (const statement of [
      put('rate_limit.burst', '3', 'node EDGE-1'),
      put('rate_limit.burst', '2', 'region SA'),
      put('rate_limit.burst', '1'),
      put('rate_limit.burst', '9', 'node edge-2'),
      put('rate_limit.burst', '9', 'region eu'),
      put('geoip.cidrs', '{"10.0.0.0/8": "BR"}'),
      put('admin.hosts', '["a", "b"]'),
      put('log_level', 'null'),
    ])
      await database.query(statement);
    expect(await readSettingRows(pool.query, SCOPE)).toEqual([
      { key: 'admin.hosts', value: ['a', 'b'], region: null, node: null },
      { key: 'geoip.cidrs', value: { '10.0.0.0/8': 'BR' }, region: null, node: null },
      { key: 'log_level', value: null, region: null, node: null },
      { key: 'rate_limit.burst', value: 1, region: null, node: null },
      { key: 'rate_limit.burst', value: 3, region: null, node: 'EDGE-1' },
      { key: 'rate_limit.burst', value: 2, region: 'SA', node: null },
    ]);
  });

  test('finds nothing where there is no table', async () => {
    const database = await testDatabase();
    expect(await readSettingRows(testPool(database.url).query, SCOPE)).toBeUndefined();
  });

  test('takes a table made by hand without regions and nodes, and gives it the trigger', async () => {
    const database = await testDatabase();
    const pool = testPool(database.url);
    await database.query('CREATE SCHEMA edgeproxy');
    await database.query('CREATE TABLE edgeproxy.settings (key text PRIMARY KEY, value jsonb)');
    await database.query(put('log_level', '"warn"'));
    expect(await readSettingRows(pool.query, SCOPE)).toEqual([
      { key: 'log_level', value: 'warn', region: null, node: null },
    ]);
    expect(await initializeSettings(pool)).toEqual({ ...FOUND, created: ['trigger'] });
    expect(await initializeSettings(pool)).toEqual(FOUND);
  });

  test('fails for a table of another shape', async () => {
    const database = await testDatabase();
    await database.query('CREATE SCHEMA edgeproxy');
    await database.query('CREATE TABLE edgeproxy.settings (name text, value jsonb)');
    await expect(readSettingRows(testPool(database.url).query, SCOPE)).rejects.toMatchObject({
      code: 'ERR_POSTGRES',
      message: expect.stringContaining('column "key" does not exist'),
    });
  });
});

describe('a role', () => {
  test('that may not create it is told why, and does without', async () => {
    const database = await testDatabase();
    await initialize(testPool(database.url));
    const pool = testPool(await urlOfRole(database, ['GRANT SELECT ON backends TO ROLE']));
    expect(await initializeSettings(pool)).toEqual({
      isThere: false,
      isReadable: false,
      notifies: false,
      created: [],
      problem: expect.stringContaining('permission denied for database'),
    });
    expect(await readSettingRows(pool.query, SCOPE)).toBeUndefined();
  });

  test('that may not read it does without', async () => {
    const database = await testDatabase();
    await initializeSettings(testPool(database.url));
    await database.query(put('log_level', '"warn"'));
    const pool = testPool(await urlOfRole(database, []));
    expect(await readSettingRows(pool.query, SCOPE)).toBeUndefined();
    expect(await initializeSettings(pool)).toMatchObject({ isThere: true, isReadable: false });
  });

  test('that may read it needs no more', async () => {
    const database = await testDatabase();
    await initializeSettings(testPool(database.url));
    await database.query(put('log_level', '"warn"'));
    const grants = ['GRANT USAGE ON SCHEMA edgeproxy TO ROLE', 'GRANT SELECT ON edgeproxy.settings TO ROLE'];
    const pool = testPool(await urlOfRole(database, grants));
    expect(await initializeSettings(pool)).toEqual(FOUND);
    expect(await readSettingRows(pool.query, SCOPE)).toHaveLength(1);
  });
});
