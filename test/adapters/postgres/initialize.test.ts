import { describe, expect, test } from 'vitest';
import { createBackendReader } from '../../../src/adapters/postgres/backend-reader.ts';
import { initialize, type InitializedSchema } from '../../../src/adapters/postgres/initialize.ts';
import { connect } from '../../support/postgres.ts';
import { until } from '../../support/until.ts';
import { INSERT_BACKEND, SEED_SCHEMA, testDatabase, testPool, urlOfRole } from './helpers.ts';

const ALL_CREATED = [
  'public.backends',
  'idx_backends_healthy',
  'idx_backends_region',
  'health_check',
  'proxy_protocol',
  'expired',
  'edgeproxy_backends_changed',
];

const COLUMNS_OF_TABLE = `
SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns
WHERE table_name = 'backends' ORDER BY ordinal_position`;
const INDEXES_OF_TABLE = `SELECT indexdef FROM pg_indexes WHERE tablename = 'backends' ORDER BY indexname`;

test('creates what the text of the seed creates, and the optional columns', async () => {
  const [ours, seed] = await Promise.all([testDatabase(), testDatabase()]);
  await seed.query(SEED_SCHEMA);

  expect(await initialize(testPool(ours.url))).toEqual({
    table: 'public.backends',
    created: ALL_CREATED,
    optionalColumns: ['health_check', 'proxy_protocol', 'expired'],
    notifies: true,
    problems: [],
  });

  expect(await ours.query(COLUMNS_OF_TABLE)).toEqual([
    ...(await seed.query(COLUMNS_OF_TABLE)),
    { column_name: 'health_check', data_type: 'jsonb', is_nullable: 'YES', column_default: null },
    { column_name: 'proxy_protocol', data_type: 'text', is_nullable: 'YES', column_default: null },
    { column_name: 'expired', data_type: 'integer', is_nullable: 'YES', column_default: null },
  ]);
  expect(await ours.query(INDEXES_OF_TABLE)).toEqual(await seed.query(INDEXES_OF_TABLE));
});

test('eight daemons that start at once create everything once', async () => {
  const database = await testDatabase();
  const pools = Array.from({ length: 8 }, () => testPool(database.url));
  const results = await Promise.all(pools.map(initialize));

  expect(results.flatMap(({ created }) => created)).toEqual(ALL_CREATED);
  expect(results.every(({ notifies }) => notifies)).toBe(true);
});

test('a table made by hand from the seed keeps its rows and gets the trigger', async () => {
  const database = await testDatabase();
  await database.query(SEED_SCHEMA);
  await database.query(INSERT_BACKEND, ['by-hand']);
  const before = await database.query('SELECT xmin, id, updated_at FROM backends');

  expect(await initialize(testPool(database.url))).toMatchObject({
    created: ['health_check', 'proxy_protocol', 'expired', 'edgeproxy_backends_changed'],
    notifies: true,
    problems: [],
  });

  expect(await database.query('SELECT xmin, id, updated_at FROM backends')).toEqual(before);
});

test('a second call runs no DDL', async () => {
  const database = await testDatabase();
  const pool = testPool(database.url);
  await initialize(pool);
  const catalog = 'SELECT count(*), max(xmin::text::bigint) FROM pg_class';
  const before = await database.query(catalog);

  expect(await initialize(pool)).toMatchObject({ created: [], notifies: true, problems: [] });

  expect(await database.query(catalog)).toEqual(before);
});

describe('a role that may only SELECT', () => {
  const GRANTS = ['GRANT SELECT ON backends TO ROLE'];

  test('starts when everything is there', async () => {
    const database = await testDatabase();
    await initialize(testPool(database.url));
    await database.query(INSERT_BACKEND, ['one']);
    const pool = testPool(await urlOfRole(database, GRANTS));

    const schemas: InitializedSchema[] = [];
    const read = createBackendReader(pool, (schema) => schemas.push(schema));

    expect((await read()).backends.map(({ id }) => id)).toEqual(['one']);
    await read();
    expect(schemas).toEqual([
      {
        table: 'public.backends',
        created: [],
        optionalColumns: ['health_check', 'proxy_protocol', 'expired'],
        notifies: true,
        problems: [],
      },
    ]);
  });

  test('starts without a trigger, and says that and why', async () => {
    const database = await testDatabase();
    await database.query(SEED_SCHEMA);
    const pool = testPool(await urlOfRole(database, GRANTS));

    expect(await initialize(pool)).toEqual({
      table: 'public.backends',
      created: [],
      optionalColumns: [],
      notifies: false,
      problems: [
        expect.stringMatching(/^health_check is missing: .*must be owner of table backends/),
        expect.stringMatching(/^proxy_protocol is missing: .*must be owner of table backends/),
        expect.stringMatching(/^expired is missing: .*must be owner of table backends/),
        expect.stringMatching(/^edgeproxy_backends_changed is missing: .*permission denied/),
      ],
    });
    expect(await createBackendReader(pool, () => {})()).toEqual({ backends: [], skipped: [] });
  });

  test('is told what to do when there is no table', async () => {
    const database = await testDatabase();
    const pool = testPool(await urlOfRole(database, []));
    await expect(initialize(pool)).rejects.toMatchObject({
      code: 'ERR_POSTGRES_SCHEMA',
      message: expect.stringMatching(
        /create the table and grant SELECT.*permission denied for schema public/,
      ),
    });
  });
});

describe('a table of another shape', () => {
  test('is refused with every wrong column and what to do', async () => {
    const database = await testDatabase();
    await database.query(
      SEED_SCHEMA.replace('port INTEGER', 'port BIGINT').replace('wg_ip TEXT NOT NULL,', ''),
    );
    const before = await database.query(COLUMNS_OF_TABLE);

    await expect(initialize(testPool(database.url))).rejects.toMatchObject({
      code: 'ERR_POSTGRES_SCHEMA',
      message: expect.stringMatching(
        /public\.backends.*wg_ip is missing \(text\); port is bigint, expected int4 or int2\. Alter/,
      ),
    });
    expect(await database.query(COLUMNS_OF_TABLE)).toEqual(before);
  });

  test('close kin of the types are taken, and an index that does not fit them is only a problem', async () => {
    const database = await testDatabase();
    await database.query(`
      CREATE DOMAIN port_number AS integer CHECK (VALUE > 0);
      CREATE TABLE backends (
        id VARCHAR(50) PRIMARY KEY, app TEXT, region CHAR(2), country CHAR(2), wg_ip INET, port port_number,
        healthy BOOLEAN DEFAULT true, weight SMALLINT DEFAULT 1, soft_limit INTEGER DEFAULT 100,
        hard_limit INTEGER DEFAULT 150, deleted BOOLEAN DEFAULT false)`);
    await database.query(INSERT_BACKEND, ['kin']);
    const schemas: InitializedSchema[] = [];
    const read = createBackendReader(testPool(database.url), (schema) => schemas.push(schema));

    expect(await read()).toMatchObject({
      backends: [{ id: 'kin', host: '10.50.1.1', port: 8080, adminUp: true, deleted: false }],
      skipped: [],
    });
    expect(schemas).toMatchObject([
      {
        created: ['health_check', 'proxy_protocol', 'expired', 'edgeproxy_backends_changed'],
        notifies: true,
        problems: [
          expect.stringContaining('idx_backends_healthy is missing'),
          expect.stringContaining('idx_backends_region is missing'),
        ],
      },
    ]);
  });

  test('a view can be read, and says that it does not notify', async () => {
    const database = await testDatabase();
    await database.query(
      SEED_SCHEMA.replaceAll('backends(', 'machines(').replace('TABLE backends', 'TABLE machines'),
    );
    await database.query('CREATE VIEW backends AS SELECT * FROM machines');
    expect(await initialize(testPool(database.url))).toEqual({
      table: 'public.backends',
      created: [],
      optionalColumns: [],
      notifies: false,
      problems: ['public.backends is not a table, so it can have no trigger that notifies'],
    });
  });
});

test('the table is the one that the search path finds, and its helpers live beside it', async () => {
  const database = await testDatabase();
  await database.query('CREATE SCHEMA "Edge Proxy"');
  const url = new URL(database.url);
  url.searchParams.set('options', '-c search_path="Edge\\ Proxy",public');
  const pool = testPool(url.href);

  expect(await initialize(pool)).toMatchObject({ table: '"Edge Proxy".backends', notifies: true });
  expect(
    await database.query(
      `SELECT pronamespace::regnamespace::text AS schema FROM pg_proc WHERE proname LIKE 'edgeproxy%'`,
    ),
  ).toEqual([{ schema: '"Edge Proxy"' }]);
  expect(await initialize(pool)).toMatchObject({ created: [] });
});

test('a trigger that somebody disabled stays so, and is named', async () => {
  const database = await testDatabase();
  const pool = testPool(database.url);
  await initialize(pool);
  await database.query('ALTER TABLE backends DISABLE TRIGGER edgeproxy_backends_changed');
  expect(await initialize(pool)).toMatchObject({
    notifies: false,
    problems: ['the trigger edgeproxy_backends_changed is disabled'],
  });
});

/** Runs the statements, each in a transaction of its own; resolves with how many notifications each one sent. */
async function notificationsOf(statements: readonly string[]): Promise<readonly number[]> {
  const database = await testDatabase();
  await initialize(testPool(database.url));
  const listener = await connect(database.url);
  const payloads: (string | undefined)[] = [];
  listener.on('notification', ({ payload }) => payloads.push(payload));
  await listener.query('LISTEN edgeproxy_backends');
  const counts: number[] = [];
  for (const [index, statement] of statements.entries()) {
    // oxlint-disable no-await-in-loop -- one statement after the other is what is tested
    await database.query(statement);
    // Notifications arrive in order, so with the mark all of the statement before it are there.
    await database.query(`NOTIFY edgeproxy_backends, 'mark ${index}'`);
    await until(() => payloads.at(-1) === `mark ${index}`, { what: 'the mark' });
    // oxlint-enable no-await-in-loop
    counts.push(payloads.length - 1);
    payloads.length = 0;
  }
  await listener.end();
  return counts;
}

const insert = (id: string) => INSERT_BACKEND.replace('$1', `'${id}'`);

describe('the trigger', () => {
  test.each([
    'id = id',
    'app = app',
    "region = 'eu'",
    "country = 'DE'",
    "wg_ip = '10.0.0.9'",
    'port = 81',
    'healthy = 0',
    'weight = 3',
    'soft_limit = 5',
    'hard_limit = 9',
    'expired = 1',
    'deleted = 1',
  ])('notifies of SET %s', async (assignment) => {
    expect(await notificationsOf([insert('a'), `UPDATE backends SET ${assignment}`])).toEqual([1, 1]);
  });

  test('notifies of INSERT, DELETE and TRUNCATE, once a statement', async () => {
    expect(
      await notificationsOf([
        INSERT_BACKEND.replace(
          /VALUES.*/s,
          "SELECT n, 'web', 'sa', 'BR', '10.0.0.1', 80 FROM generate_series(1, 500) n",
        ),
        'DELETE FROM backends WHERE id <> $$1$$',
        'TRUNCATE backends',
      ]),
    ).toEqual([1, 1, 1]);
  });

  test('says nothing of updated_at alone', async () => {
    expect(await notificationsOf([insert('a'), 'UPDATE backends SET updated_at = now()'])).toEqual([1, 0]);
  });

  test('statements of one transaction collapse into one notification', async () => {
    expect(
      await notificationsOf([`BEGIN; ${insert('a')}; ${insert('b')}; DELETE FROM backends; COMMIT`]),
    ).toEqual([1]);
  });
});

test('a trigger made before the optional columns is made anew, and notifies of it', async () => {
  const database = await testDatabase();
  const pool = testPool(database.url);
  await initialize(pool);
  await database.query('ALTER TABLE backends DROP COLUMN health_check CASCADE');
  await initialize(pool);
  await database.query('DROP TRIGGER edgeproxy_backends_changed ON backends');
  await database.query(`
    CREATE TRIGGER edgeproxy_backends_changed AFTER UPDATE OF weight ON backends
    FOR EACH STATEMENT EXECUTE FUNCTION edgeproxy_notify_backends()`);

  expect(await initialize(pool)).toMatchObject({ created: ['edgeproxy_backends_changed'], notifies: true });
  const [row] = await database.query<{ definition: string }>(
    `SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgname = 'edgeproxy_backends_changed'`,
  );
  expect(row!.definition).toMatch(/UPDATE OF .*weight.*health_check.*proxy_protocol/);
});

test('a table that others hold is not waited for: it can be read, and the rest is named', async () => {
  const database = await testDatabase();
  await database.query(SEED_SCHEMA);
  await database.query('BEGIN');
  await database.query('SELECT * FROM backends');
  const schema = await initialize(testPool(database.url));
  await database.query('COMMIT');
  expect(schema).toMatchObject({ optionalColumns: [] });
  expect(schema.problems).toContainEqual(expect.stringMatching(/^health_check is missing: .*lock timeout/));
});
