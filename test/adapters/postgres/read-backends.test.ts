import { expect, test } from 'vitest';
import { createBackendReader } from '../../../src/adapters/postgres/backend-reader.ts';
import { readBackends } from '../../../src/adapters/postgres/read-backends.ts';
import { INSERT_BACKEND, SEED_SCHEMA, testDatabase, testPool } from './helpers.ts';

test('reads every column, deleted rows too', async () => {
  const database = await testDatabase();
  const read = createBackendReader(testPool(database.url), () => {});
  await read();
  await database.query(`
    INSERT INTO backends (id, app, region, country, wg_ip, port, healthy, weight, soft_limit, hard_limit, deleted,
      health_check, proxy_protocol)
    VALUES ('b', 'api', 'EU', 'de', 'fd00::1', 443, 0, 7, 11, 13, 1, NULL, 'v1'), ('a', 'api', 'eu', 'DE', '10.0.0.1', 1, 1, 0, 0, 0, 0, '{"type": "tcp"}', NULL)`);

  const common = { app: 'api', region: 'eu', country: 'DE' };
  expect(await read()).toEqual({
    backends: [
      {
        ...common,
        id: 'a',
        host: '10.0.0.1',
        port: 1,
        adminUp: true,
        weight: 0,
        softLimit: 0,
        hardLimit: 0,
        deleted: false,
        health: { type: 'tcp' },
      },
      {
        ...common,
        id: 'b',
        host: 'fd00::1',
        port: 443,
        adminUp: false,
        weight: 7,
        softLimit: 11,
        hardLimit: 13,
        deleted: true,
        proxyProtocol: 'v1',
      },
    ],
    skipped: [],
  });
});

test('skips and names bad rows, and reads the others', async () => {
  const database = await testDatabase();
  await database.query(SEED_SCHEMA);
  await database.query(
    INSERT_BACKEND.replace(/VALUES.*/, "SELECT unnest($1::text[]), 'web', 'sa', 'BR', '10.0.0.1', 80"),
    [['good', 'port', 'address', 'weight']],
  );
  await database.query(`UPDATE backends SET port = 70000 WHERE id = 'port'`);
  await database.query(`UPDATE backends SET wg_ip = 'db.internal' WHERE id = 'address'`);
  await database.query(`UPDATE backends SET weight = -1 WHERE id = 'weight'`);

  const { backends, skipped } = await readBackends(testPool(database.url), []);

  expect(backends.map(({ id }) => id)).toEqual(['good']);
  expect(Object.fromEntries(skipped.map(({ id, problems }) => [id, problems]))).toEqual({
    port: [expect.stringContaining('port = 70000')],
    address: [expect.stringContaining('wg_ip = "db.internal"')],
    weight: [expect.stringContaining('weight = -1')],
  });
});

test('a dropped table fails the read and is not created again', async () => {
  const database = await testDatabase();
  const read = createBackendReader(testPool(database.url), () => {});
  await read();
  await database.query('DROP TABLE backends');

  const failure = { code: 'ERR_POSTGRES', message: expect.stringContaining('"backends" does not exist') };
  await expect(read()).rejects.toMatchObject(failure);
  await expect(read()).rejects.toMatchObject(failure);
});
