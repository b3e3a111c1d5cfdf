import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePort } from '../support/sockets.ts';
import { type Env, postgresEnv, runCli } from '../support/daemon.ts';
import {
  aDaemon,
  aDatabase,
  anEchoBackend,
  anEchoClient,
  putBackends,
  untilApplied,
} from '../support/edge.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** A daemon on a database with two backends, one of them with a client; `plan` is asked with its settings. */
async function aPlannedEdge(more: Env = {}) {
  const folder = await temporaryFolder();
  const config = join(folder, 'edge.toml');
  await writeFile(config, '[rate_limit]\nenabled = true\nburst = 10\n');
  const database = await aDatabase();
  const env: Env = {
    ...postgresEnv(database.url),
    EDGEPROXY_CONFIG: config,
    EDGEPROXY_CONFIG_WATCH_ENABLED: 'true',
    EDGEPROXY_ADMIN_ENABLED: 'true',
    EDGEPROXY_ADMIN_LISTEN_ADDR: `127.0.0.1:${await freePort()}`,
    EDGEPROXY_STATE_DIR: folder,
    ...more,
  };
  const daemon = await aDaemon({ env, stateDir: folder });
  const backend = await anEchoBackend();
  await putBackends(database, { id: 'a', port: backend.port }, { id: 'b', port: backend.port, weight: 0 });
  await untilApplied(daemon, 1, 1);
  await daemon.log('table of settings initialized');
  await anEchoClient(daemon.port);
  const planWith = (other: Env, ...args: readonly string[]) =>
    runCli(['plan', ...args], { ...env, ...other });
  const plan = (...args: readonly string[]) => planWith({}, ...args);
  const aFile = async (content: string): Promise<string> => {
    const path = join(folder, 'candidate.toml');
    await writeFile(path, content);
    return path;
  };
  return { daemon, database, plan, planWith, aFile, backend };
}

describe('edgeproxy plan', () => {
  it('says what a statement would do to backends and their connections, and does nothing', async () => {
    const { daemon, database, plan, backend } = await aPlannedEdge();
    const at = `127.0.0.1:${backend.port}`;
    const logged = daemon.logs.length;
    expect(
      await plan('--sql', "UPDATE backends SET hard_limit = 7, deleted = CASE id WHEN 'a' THEN 1 ELSE 0 END"),
    ).toEqual({
      code: 0,
      stderr: '',
      stdout:
        'backends\n' +
        `  - a  ${at}  leaves (it is deleted): 1 connection may go on for 300 s at most\n` +
        `  ~ b  ${at}  hard_limit 150 → 7; 0 connections stay, no new client comes\n` +
        'Nothing of it has been applied.\n',
    });
    expect(await database.query('SELECT id, hard_limit, deleted FROM backends ORDER BY id')).toEqual([
      { id: 'a', hard_limit: 150, deleted: 0 },
      { id: 'b', hard_limit: 150, deleted: 0 },
    ]);
    await putBackends(database, { id: 'c', port: backend.port });
    await untilApplied(daemon, 2, 1);
    expect(daemon.logs.slice(logged).filter(({ msg }) => msg === 'backends read')).toHaveLength(1);
  });

  it('says what a file and rows of settings would change, and when', async () => {
    const { plan, aFile } = await aPlannedEdge();
    const path = await aFile('threads = 3\n[rate_limit]\nenabled = true\nburst = 20\n');
    const statement = `INSERT INTO edgeproxy.settings (key, value) VALUES ('queue.max', '5'), ('rate_limit.burst', '9')`;
    expect(await plan('--config', path, '--sql', statement)).toMatchObject({
      code: 0,
      stdout:
        'settings\n' +
        '  threads           0 → 3    after a restart\n' +
        '  queue.max         0 → 5    at once\n' +
        '  rate_limit.burst  10 → 20  at once\n' +
        `warning: edgeproxy.settings: rate_limit.burst = 9 has no effect: ${path}:4: rate_limit.burst is 20\n` +
        'Nothing of it has been applied.\n',
    });
  });

  it('says what would mend a bad row of settings, which the daemon does not go by', async () => {
    const { daemon, database, plan } = await aPlannedEdge();
    await database.query(`INSERT INTO edgeproxy.settings (key, value) VALUES ('queue.mxa', '5')`);
    await daemon.log('configuration refused, the last good one stays');
    expect(await plan('--sql', `UPDATE edgeproxy.settings SET key = 'queue.max'`)).toMatchObject({
      code: 0,
      stdout: 'settings\n  queue.max  0 → 5  at once\nNothing of it has been applied.\n',
    });
  });

  it('names the variable where that gives no file', async () => {
    const { planWith, aFile } = await aPlannedEdge();
    const { code, stderr } = await planWith(
      { EDGEPROXY_CONFIG: '' },
      '--config',
      await aFile('threads = 1\n'),
    );
    expect(code).toBe(2);
    expect(stderr).toContain('EDGEPROXY_CONFIG = "": cannot be read');
  });

  it('says what could not be brought into force, having tried it, and does not touch what listens', async () => {
    const { daemon, plan, aFile, backend } = await aPlannedEdge();
    const taken = `127.0.0.1:${backend.port}`;
    const route = (address: string) => `[[routes]]\nlisten_addr = "${address}"\napp = "demo"\n`;
    const free = `127.0.0.1:${await freePort()}`;
    const path = await aFile(`${route(free)}${route(taken)}[geoip]\npath = "/nowhere/geo.mmdb"\n`);
    const { code, stdout } = await plan('--config', path);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /geoip\.path .* keeps its old value: .*"\/nowhere\/geo\.mmdb": the GeoIP database/,
    );
    const reason = `routes[1].listen_addr: cannot listen on ${taken}: another process has that port`;
    expect(stdout).toContain(`keeps its old value: ${reason}`);
    const moves = daemon.logs.filter(({ msg }) =>
      /configuration changed|at other addresses|old value/.test(msg),
    );
    expect(moves).toEqual([]);
    await anEchoClient(daemon.port);
  });

  it('names what would be refused, exit 2', async () => {
    const { plan, aFile } = await aPlannedEdge();
    const path = await aFile('[rate_limit]\nburst = "many"\n');
    expect(await plan('--config', path)).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'edgeproxy: It would be refused, and nothing would change:\n' +
        `edgeproxy:   ${path}:2: rate_limit.burst = "many": expected a whole number from 1 to 2147483\n`,
    });
  });

  it('refuses a statement that its commit would refuse', async () => {
    const { database, plan } = await aPlannedEdge();
    await database.query('CREATE TABLE places (id text PRIMARY KEY)');
    await database.query('ALTER TABLE backends ADD COLUMN place text');
    await database.query(
      'ALTER TABLE backends ADD FOREIGN KEY (place) REFERENCES places DEFERRABLE INITIALLY DEFERRED',
    );
    const { code, stderr } = await plan('--sql', `UPDATE backends SET place = 'nowhere'`);
    expect([code, stderr]).toEqual([1, expect.stringContaining('violates foreign key constraint')]);
  });

  it('takes one statement, so that none can commit', async () => {
    const { database, plan } = await aPlannedEdge();
    expect(await plan('--sql', 'DELETE FROM backends; COMMIT')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'edgeproxy: expected one statement, these are several: none has been run\n',
    });
    expect(await database.query('SELECT count(*)::int AS rows FROM backends')).toEqual([{ rows: 2 }]);
  });

  it('sends the token, and says so when it is the wrong one', async () => {
    const token = { EDGEPROXY_ADMIN_TOKEN: 'right-0123456789-0123456789' };
    const { plan, planWith } = await aPlannedEdge(token);
    const wrong = { EDGEPROXY_ADMIN_TOKEN: 'wrong-0123456789-0123456789' };
    expect(await planWith(wrong, '--sql', 'SELECT 1')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/ answers with 401: this token is not known/),
    });
    expect(await plan('--sql', 'SELECT 1')).toMatchObject({ code: 0, stdout: 'Nothing would change.\n' });
  });

  it('asks the daemon where its own file has it, not where another one would, or says what to give', async () => {
    const [here, there] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    const folder = await temporaryFolder();
    const withAdminAt = async (name: string, address: string): Promise<string> => {
      await writeFile(join(folder, name), `[admin]\nenabled = true\nlisten_addr = "${address}"\n`);
      return join(folder, name);
    };
    const [own, path] = [await withAdminAt('own.toml', here), await withAdminAt('next.toml', there)];
    await aDaemon({ env: { EDGEPROXY_CONFIG: own }, stateDir: folder });
    expect(await runCli(['plan', '--config', path], { EDGEPROXY_CONFIG: own })).toMatchObject({
      code: 0,
      stdout: `settings\n  admin.listen_addr  ${here} → ${there}  at once\nNothing of it has been applied.\n`,
    });
    const { code, stderr } = await runCli(['plan', '--config', path], {});
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`http://${there}, by ${path}:3: admin.listen_addr: no daemon answers there`),
    ]);
    expect(stderr).toContain('EDGEPROXY_CONFIG=FILE with the file that it goes by');
    await writeFile(path, '');
    expect(await runCli(['plan', '--config', path], {})).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('EDGEPROXY_ADMIN_LISTEN_ADDR=ADDRESS:PORT'),
    });
  });

  it('says that no daemon is there, exit 1', async () => {
    const env = {
      EDGEPROXY_ADMIN_ENABLED: 'true',
      EDGEPROXY_ADMIN_LISTEN_ADDR: `127.0.0.1:${await freePort()}`,
    };
    const path = join(await temporaryFolder(), 'empty.toml');
    await writeFile(path, '');
    const { code, stderr } = await runCli(['plan', '--config', path], env);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/: no daemon answers there \(.*ECONNREFUSED/)]);
    expect(await runCli(['plan'], env)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('plan takes'),
    });
  });
});
