import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DaemonProcess, type Env, postgresEnv, runCli } from '../support/daemon.ts';
import { aDaemon, aDatabase, anEdge, aNamedBackend, ask, NO_POLL, untilApplied } from '../support/edge.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

type Database = Pick<TestDatabase, 'query'>;

/** Said of rows that are gone at once. */
const HELD = 'all settings in SQL are gone at once, reading again before they go';

const NODE = { EDGEPROXY_NODE: 'edge-1' };

/** Sets a setting in SQL for everybody, a region or a node. */
async function put(
  { query }: Database,
  key: string,
  value: unknown,
  scope: { region?: string; node?: string } = {},
) {
  await query(
    `INSERT INTO edgeproxy.settings (key, value, region, node) VALUES ($1, $2, $3, $4)
     ON CONFLICT (key, region, node) DO UPDATE SET value = EXCLUDED.value`,
    [key, JSON.stringify(value), scope.region ?? null, scope.node ?? null],
  );
}

/** A daemon on a database of its own, which has made its table of settings. */
async function aNode(env: Env = {}) {
  const { daemon, database } = await anEdge([], { env: { ...NO_POLL, ...NODE, ...env } });
  await daemon.log('table of settings initialized');
  return { daemon, database };
}

const changesOf = ({ logs }: DaemonProcess): readonly string[] =>
  logs
    .filter(({ msg }) => msg === 'configuration changed')
    .flatMap(
      (line) => line['changes'] as { readonly key: string; readonly old: string; readonly new: string }[],
    )
    .map(({ key, old, new: wanted }) => `${key} ${old} ${wanted}`);

const untilChanges = (daemon: DaemonProcess, count: number) =>
  until(() => changesOf(daemon).length >= count, { what: `${count} changes` });

const reloads = (daemon: DaemonProcess, result: string) =>
  daemon.metric(`edgeproxy_config_reloads_total{result="${result}"}`);

describe('a setting in SQL', () => {
  it('is taken over when it is committed, by notification alone, and given back when it goes', async () => {
    const { daemon, database } = await aNode();
    await put(database, 'rate_limit.burst', 20);
    await untilChanges(daemon, 1);
    await database.query('UPDATE edgeproxy.settings SET value = $1', ['21']);
    await untilChanges(daemon, 2);
    await database.query('DELETE FROM edgeproxy.settings');
    await untilChanges(daemon, 3);
    expect(changesOf(daemon)).toEqual([
      'rate_limit.burst 10 20',
      'rate_limit.burst 20 21',
      'rate_limit.burst 21 10',
    ]);
    expect(await reloads(daemon, 'applied')).toBe(3);
  });

  it('counts for the node over the region over everybody', async () => {
    const { daemon, database } = await aNode();
    await put(database, 'rate_limit.burst', 2, { region: 'sa' });
    await untilChanges(daemon, 1);
    await put(database, 'rate_limit.burst', 3, { node: 'Edge-1' });
    await untilChanges(daemon, 2);
    await put(database, 'rate_limit.burst', 1);
    await put(database, 'rate_limit.burst', 99, { node: 'edge-2' });
    await put(database, 'nonsense', 99, { region: 'eu' });
    await database.query(`DELETE FROM edgeproxy.settings WHERE node = 'Edge-1'`);
    await untilChanges(daemon, 3);
    expect(changesOf(daemon)).toEqual([
      'rate_limit.burst 10 2',
      'rate_limit.burst 2 3',
      'rate_limit.burst 3 2',
    ]);
  });

  it('stands below the file and the environment', async () => {
    const path = join(await temporaryFolder(), 'edgeproxy.toml');
    await writeFile(path, 'connect_attempts = 4\n');
    const { daemon, database } = await aNode({ EDGEPROXY_CONFIG: path, EDGEPROXY_RATE_LIMIT_BURST: '5' });
    await put(database, 'connect_attempts', 7);
    await put(database, 'rate_limit.burst', 8);
    await put(database, 'rate_limit.max_requests', 9);
    await untilChanges(daemon, 1);
    expect(changesOf(daemon)).toEqual(['rate_limit.max_requests 100 9']);
    const overruled = () =>
      daemon.logs
        .filter(({ msg, problem }) => msg === 'a setting has no effect' && String(problem).includes(' = '))
        .map(({ level, problem }) => [level, problem]);
    const said = [
      ['warn', `edgeproxy.settings: connect_attempts = 7 has no effect: ${path}:1: connect_attempts is 4`],
      ['warn', 'edgeproxy.settings: rate_limit.burst = 8 has no effect: EDGEPROXY_RATE_LIMIT_BURST is 5'],
    ];
    await until(() => overruled().length >= said.length, { what: 'what has no effect' });
    expect(overruled()).toEqual(said);
    daemon.child.kill('SIGHUP');
    await daemon.log('configuration read, nothing has changed');
    expect(overruled()).toEqual(said);
  });

  it('that is bad is refused with its row, key and value, and changes nothing until it is mended', async () => {
    const backend = await aNamedBackend('a');
    const { daemon, database } = await anEdge([{ id: 'a', port: backend.port }], {
      env: { ...NO_POLL, ...NODE },
    });
    await daemon.log('table of settings initialized');
    await put(database, 'rate_limit.burst', 20);
    await untilChanges(daemon, 1);
    await database.query('BEGIN');
    await put(database, 'rate_limit.burst', 'many', { region: 'sa' });
    await put(database, 'connect_attempts', 7);
    await put(database, 'postgres.url', 'postgres://elsewhere/db');
    await database.query('COMMIT');
    expect(await daemon.log('configuration refused, the last good one stays')).toMatchObject({
      level: 'error',
      source: 'sql',
      problems: [
        'edgeproxy.settings: postgres.url: expected in the file or the environment, not in SQL: the database is reached by it',
        'edgeproxy.settings (region sa): rate_limit.burst = "many": expected a whole number from 1 to 2147483',
      ],
    });
    expect([await reloads(daemon, 'applied'), await reloads(daemon, 'refused')]).toEqual([1, 1]);
    expect(await ask(daemon.port)).toBe('a');
    await database.query(`DELETE FROM edgeproxy.settings WHERE key = 'postgres.url' OR region = 'sa'`);
    await untilChanges(daemon, 2);
    expect(changesOf(daemon)).toEqual(['rate_limit.burst 10 20', 'connect_attempts 3 7']);
  });

  it('is found by the poll where it is not notified', async () => {
    const { daemon, database } = await aNode({ EDGEPROXY_POSTGRES_RELOAD_SECS: '1' });
    await database.query('ALTER TABLE edgeproxy.settings DISABLE TRIGGER edgeproxy_settings_changed');
    await put(database, 'rate_limit.burst', 20);
    await untilChanges(daemon, 1);
    expect(changesOf(daemon)).toEqual(['rate_limit.burst 10 20']);
  });

  it('is read on SIGHUP', async () => {
    const { daemon, database } = await aNode();
    await database.query('ALTER TABLE edgeproxy.settings DISABLE TRIGGER edgeproxy_settings_changed');
    await put(database, 'rate_limit.burst', 20);
    daemon.child.kill('SIGHUP');
    await untilChanges(daemon, 1);
    expect(daemon.logs.map(({ msg }) => msg)).toContain('reload requested');
  });

  it('stays when the table is dropped', async () => {
    const { daemon, database } = await aNode({ EDGEPROXY_POSTGRES_RELOAD_SECS: '1' });
    await put(database, 'rate_limit.burst', 20);
    await untilChanges(daemon, 1);
    await database.query('DROP TABLE edgeproxy.settings');
    expect(await daemon.log('settings in SQL cannot be read, those that were known last stay')).toMatchObject(
      {
        level: 'warn',
        problem: 'it is gone, or may not be read',
      },
    );
    expect(changesOf(daemon)).toEqual(['rate_limit.burst 10 20']);
  });
});

describe('a start', () => {
  /** Ends a daemon as an operator does, so that it has saved all. */
  async function stop(daemon: DaemonProcess): Promise<void> {
    daemon.child.kill('SIGTERM');
    expect((await daemon.exited).code).toBe(0);
  }

  /** Awaits that the state folder keeps no settings. */
  async function untilForgotten(stateDir: string): Promise<void> {
    const name = (await readdir(stateDir)).find((one) => one.startsWith('settings-'));
    await until(async () => (await readFile(join(stateDir, name!), 'utf8')).includes('"rows":[]'), {
      what: 'the state without settings',
    });
  }

  it('goes by settings in SQL from the beginning, those that need a restart too', async () => {
    const { daemon: first, database } = await aNode();
    await put(database, 'admin.listen_addr', '127.0.0.1:0');
    await put(database, 'admin.enabled', true);
    await put(database, 'admin.hosts', ['edge.example']);
    await first.log('settings that need a restart to take effect');
    const second = await aDaemon({ env: { ...postgresEnv(database.url), ...NODE } });
    const { admin } = (await second.log('accepting clients')) as unknown as {
      readonly admin: { readonly port: number };
    };
    const url = `http://127.0.0.1:${admin.port}/admin/v1/config`;
    const shown = (await (await fetch(url)).json()) as {
      readonly settings: readonly { readonly key: string }[];
    };
    expect(shown.settings.find(({ key }) => key === 'admin.enabled')).toMatchObject({
      value: true,
      origin: { from: 'sql' },
    });
    expect(changesOf(second)).toEqual([]);
  });

  it('without the database takes the last known settings, also those it was started with', async () => {
    const stateDir = await temporaryFolder();
    const database = await aDatabase();
    const env = { ...postgresEnv(database.url), ...NODE };
    const first = await aDaemon({ env, stateDir });
    await first.log('table of settings initialized');
    await put(database, 'rate_limit.burst', 20);
    await untilChanges(first, 1);
    await stop(first);
    await database.drop();
    const second = await aDaemon({ env, stateDir });
    expect(second.logs.find(({ msg }) => msg === 'last known settings of SQL loaded')).toMatchObject({
      settings: 1,
    });
    const { stdout } = await runCli(['check'], env);
    expect(stdout).toMatch(/^note: without the settings in SQL: .*$/m);
    const kept = await runCli(['check'], { ...env, EDGEPROXY_STATE_DIR: stateDir });
    expect(kept.stdout).toMatch(/^rate_limit\.burst +20 /m);
    expect(kept.stdout).toMatch(/^note: with the settings in SQL as they were at 20\S+Z: .*$/m);
    const overruled = await runCli(['check'], {
      ...env,
      EDGEPROXY_STATE_DIR: stateDir,
      EDGEPROXY_RATE_LIMIT_BURST: '5',
    });
    expect(overruled.stdout).toMatch(
      /^warning: edgeproxy\.settings: rate_limit\.burst = 20 has no effect: EDGEPROXY_RATE_LIMIT_BURST is 5$/m,
    );
  });

  it('forgets settings that went while no daemon ran', async () => {
    const stateDir = await temporaryFolder();
    const database = await aDatabase();
    const env = { ...postgresEnv(database.url), ...NODE };
    const first = await aDaemon({ env, stateDir });
    await first.log('table of settings initialized');
    await put(database, 'rate_limit.burst', 20);
    await untilChanges(first, 1);
    await stop(first);
    await database.query('DELETE FROM edgeproxy.settings');
    const second = await aDaemon({ env, stateDir });
    await untilForgotten(stateDir);
    await stop(second);
    const third = await aDaemon({ env, stateDir });
    expect(third.logs.find(({ msg }) => msg === 'last known settings of SQL loaded')).toMatchObject({
      settings: 0,
    });
    expect(changesOf(second)).toEqual([]);
  });

  describe('that finds an empty table where it knows several settings', () => {
    /** Daemons that have accepted two settings, one of which needs a restart, and ended. */
    async function aNodeThatKnows() {
      const stateDir = await temporaryFolder();
      const database = await aDatabase();
      const env = { ...postgresEnv(database.url), ...NODE, ...NO_POLL };
      const first = await aDaemon({ env, stateDir });
      await first.log('table of settings initialized');
      await database.query('BEGIN');
      await put(database, 'rate_limit.burst', 20);
      await put(database, 'rate_limit.max_clients', 5_000);
      await database.query('COMMIT');
      await untilChanges(first, 1);
      await stop(first);
      const valuesOf = async (daemon: DaemonProcess): Promise<readonly unknown[]> => {
        const { admin } = (await daemon.log('accepting clients')) as unknown as {
          readonly admin: { readonly port: number };
        };
        const shown = (await (await fetch(`http://127.0.0.1:${admin.port}/admin/v1/config`)).json()) as {
          readonly settings: readonly { readonly key: string; readonly value: unknown }[];
        };
        return ['rate_limit.burst', 'rate_limit.max_clients'].map(
          (key) => shown.settings.find((one) => one.key === key)!.value,
        );
      };
      const admin = { EDGEPROXY_ADMIN_ENABLED: 'true', EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0' };
      return { stateDir, database, valuesOf, start: () => aDaemon({ env: { ...env, ...admin }, stateDir }) };
    }

    it('reads it again, and goes by what is there when it was empty for a moment', async () => {
      const { database, valuesOf, start } = await aNodeThatKnows();
      // Reads are counted by the table: the first one finds nothing.
      await database.query('ALTER TABLE edgeproxy.settings RENAME TO all_settings');
      await database.query('CREATE SEQUENCE edgeproxy.reads');
      await database.query(
        `CREATE VIEW edgeproxy.settings AS
           SELECT * FROM edgeproxy.all_settings WHERE (SELECT nextval('edgeproxy.reads')) > 1`,
      );
      const second = await start();
      await second.log(HELD);
      expect(await valuesOf(second)).toEqual([20, 5_000]);
      expect(changesOf(second)).toEqual([]);
    });

    it('believes it when it stays empty: whoever has deleted all rows gets that, from the start on', async () => {
      const { stateDir, database, valuesOf, start } = await aNodeThatKnows();
      await database.query('DELETE FROM edgeproxy.settings');
      const second = await start();
      expect(await valuesOf(second)).toEqual([10, 100_000]);
      expect(second.logs.map(({ msg }) => msg)).toContain(HELD);
      expect(changesOf(second)).toEqual([]);
      await untilForgotten(stateDir);
      await stop(second);
      const third = await start();
      expect(third.logs.find(({ msg }) => msg === 'last known settings of SQL loaded')).toMatchObject({
        settings: 0,
      });
      expect(third.logs.map(({ msg }) => msg)).not.toContain(HELD);
    });
  });

  it('with a bad row takes the last known good ones, and never fails', async () => {
    const stateDir = await temporaryFolder();
    const database = await aDatabase();
    const env = { ...postgresEnv(database.url), ...NODE, ...NO_POLL };
    const first = await aDaemon({ env, stateDir });
    await first.log('table of settings initialized');
    await put(database, 'rate_limit.burst', 20);
    await untilChanges(first, 1);
    await stop(first);
    await put(database, 'rate_limit.brust', 21);
    const second = await aDaemon({ env, stateDir });
    expect(second.logs.find(({ level }) => level === 'error')).toMatchObject({
      msg: 'configuration refused, the last good one stays',
      problems: ['edgeproxy.settings: rate_limit.brust: no such key, did you mean rate_limit.burst?'],
    });
    await until(async () => (await reloads(second, 'refused')) === 1, { what: 'the row to be refused' });
    await database.query(`UPDATE edgeproxy.settings SET value = '30' WHERE key = 'rate_limit.burst'`);
    await database.query(`DELETE FROM edgeproxy.settings WHERE key = 'rate_limit.brust'`);
    await untilChanges(second, 1);
    expect(changesOf(second)).toEqual(['rate_limit.burst 20 30']);
    const fresh = await aDaemon({ env });
    await untilApplied(fresh, 0);
    expect(fresh.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe('edgeproxy check', () => {
  it('shows which settings come from SQL, and for whom they are', async () => {
    const { database } = await aNode();
    await put(database, 'rate_limit.burst', 20);
    await put(database, 'rate_limit.window_secs', 30, { region: 'sa' });
    await put(database, 'connect_attempts', 9, { node: 'edge-1' });
    const env = { ...postgresEnv(database.url), ...NODE };
    const { code, stdout } = await runCli(['check'], { ...env, EDGEPROXY_RATE_LIMIT_BURST: '5' });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^rate_limit\.burst +5 +EDGEPROXY_RATE_LIMIT_BURST$/m);
    expect(stdout).toMatch(/^rate_limit\.window_secs +30 s +edgeproxy\.settings \(region sa\)$/m);
    expect(stdout).toMatch(/^connect_attempts +9 +edgeproxy\.settings \(node edge-1\)$/m);
    await put(database, 'rate_limit.window_secs', 0);
    const bad = await runCli(['check'], env);
    expect([bad.code, bad.stderr]).toEqual([
      2,
      'edgeproxy: edgeproxy.settings: rate_limit.window_secs = 0: expected a whole number from 1 to 2147483\n',
    ]);
  });
});
