import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBackendReader } from '../src/adapters/postgres/backend-reader.ts';
import { initialize, type InitializedSchema } from '../src/adapters/postgres/initialize.ts';
import { createPostgresPool, type PostgresPool } from '../src/adapters/postgres/pool.ts';
import { readBackends } from '../src/adapters/postgres/read-backends.ts';
import { initializeSettings, readSettingRows } from '../src/adapters/postgres/settings-table.ts';
import { createOpenSubscription } from '../src/adapters/postgres/subscription.ts';
import { loadSettings } from '../src/config/load.ts';
import { allDocuments, codeBlocks, readDocument } from './support/markdown.ts';
import { connect, createDatabase, type TestDatabase } from './support/postgres.ts';
import { until } from './support/until.ts';

const README = readDocument('README.md');
const TIMEOUTS = { connectTimeoutMs: 5_000, queryTimeoutMs: 5_000 };

describe('a TOML block', () => {
  const blocks = allDocuments().flatMap((document) =>
    codeBlocks(document, 'toml').map((content, index) => ({ path: document.path, index, content })),
  );

  it.each(blocks)('of $path ($index) is a valid configuration', ({ path, content }) => {
    const { settings, origins } = loadSettings({}, { path, content });
    expect([...origins.values()].filter(({ from }) => from === 'file')).not.toEqual([]);
    expect(settings.backends.length).toBeGreaterThan(0);
  });

  it('is in the README', () => {
    expect(blocks.map(({ path }) => path)).toContain('README.md');
  });
});

describe('the SQL of the README', () => {
  const blocks = codeBlocks(README, 'sql');
  const recipes = blocks.filter((sql) => !sql.includes('ROLE'));
  const roles = blocks.find((sql) => sql.includes('ROLE')) ?? '';
  const suffix = randomBytes(6).toString('hex');
  let database: TestDatabase;
  let pool: PostgresPool;

  beforeAll(async () => {
    database = await createDatabase();
    pool = createPostgresPool({ url: database.url, ...TIMEOUTS, ...sizes(1), onError: fail });
    await initialize(pool);
    await initializeSettings(pool);
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
  });

  it('has a recipe for everything that one does with backends', () => {
    expect(recipes.length).toBeGreaterThanOrEqual(9);
  });

  it.each(recipes.map((sql) => [sql.split('\n', 1)[0], sql]))(
    'runs, and notifies if it changes rows: %s',
    async (_, sql = '') => {
      const listener = await connect(database.url);
      let notified = 0;
      listener.on('notification', () => (notified += 1));
      await listener.query('LISTEN edgeproxy_backends');
      await database.client.query(sql);
      expect((await readBackends(pool, ['health_check', 'proxy_protocol'])).skipped).toEqual([]);
      const changes = /INSERT|UPDATE|DELETE|NOTIFY/.test(sql);
      if (changes) await until(() => notified > 0, { what: 'a notification' });
      await listener.query('SELECT 1');
      expect(notified > 0).toBe(changes);
      await listener.end();
    },
  );

  it('gives the roles all that the daemon and its operators need', async () => {
    const ownRoles = roles.replaceAll(/edgeproxy_(daemon|operator)/g, `edgeproxy_$1_${suffix}`);
    await database.client.query(ownRoles);
    try {
      const asDaemon = urlAs(`edgeproxy_daemon_${suffix}`);
      const asOperator = await connect(urlAs(`edgeproxy_operator_${suffix}`));
      const daemonPool = createPostgresPool({ url: asDaemon, ...TIMEOUTS, ...sizes(1), onError: fail });
      let schema: InitializedSchema | undefined;
      let notified = 0;
      const session = await createOpenSubscription({ url: asDaemon, ...TIMEOUTS })(
        { onNotified: () => (notified += 1), onLost: fail },
        new AbortController().signal,
      );
      await session.beat(5_000);
      await asOperator.query('UPDATE backends SET weight = weight + 1');
      await until(() => notified > 0, { what: "the operator's change" });
      await createBackendReader(daemonPool, (found) => (schema = found))();
      expect(schema).toMatchObject({ created: [], notifies: true, problems: [] });
      await asOperator.query(
        "INSERT INTO edgeproxy.settings (key, value, node) VALUES ('log_level', '\"warn\"', 'x')",
      );
      expect(await initializeSettings(daemonPool)).toMatchObject({ notifies: true, problem: undefined });
      expect(await readSettingRows(daemonPool.query, { region: 'sa', node: 'x' })).toContainEqual({
        key: 'log_level',
        value: 'warn',
        region: null,
        node: 'x',
      });
      await Promise.all([session.close(), daemonPool.close(), asOperator.end()]);
    } finally {
      for (const role of ['daemon', 'operator'].map((name) => `edgeproxy_${name}_${suffix}`)) {
        await database.query(`DROP OWNED BY ${role}`);
        await database.query(`DROP ROLE ${role}`);
      }
    }
  });

  function urlAs(role: string): string {
    const url = new URL(database.url);
    url.username = role;
    return url.href;
  }
});

function sizes(count: number) {
  return { maxConnections: count, minConnections: 0 };
}

function fail(error: Error): never {
  throw error;
}
