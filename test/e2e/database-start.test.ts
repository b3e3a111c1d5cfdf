import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DaemonProcess, postgresEnv } from '../support/daemon.ts';
import {
  aDaemon,
  aDatabase,
  anEdge,
  aNamedBackend,
  ask,
  NO_POLL,
  opsAnswer,
  putBackends,
  untilAnswered,
  untilApplied,
} from '../support/edge.ts';
import { ownCluster } from '../support/own-cluster.ts';
import { runOn } from '../support/postgres.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const cluster = ownCluster();

async function end(daemon: DaemonProcess): Promise<void> {
  daemon.child.kill('SIGTERM');
  expect(await daemon.exited).toEqual({ code: 0, signal: null });
}

/** A database with the backends a (healthy) and b (not), and the state folder of a daemon that knew them. */
async function anEarlierRun() {
  const [database, a, b] = await Promise.all([
    aDatabase(cluster.url),
    aNamedBackend('a'),
    aNamedBackend('b'),
  ]);
  const stateDir = await temporaryFolder();
  const options = { stateDir, env: { ...postgresEnv(database.url), ...NO_POLL } };
  const daemon = await aDaemon(options);
  await putBackends(database, { id: 'a', port: a.port }, { id: 'b', port: b.port, healthy: 0 });
  await untilApplied(daemon, 1, 1);
  await end(daemon);
  return { database, options, stateDir };
}

const SWAP = 'UPDATE backends SET healthy = 1 - healthy';

describe('a start without a database', () => {
  it('serves the last known backends, and follows the database when it is there', async () => {
    const { database, options } = await anEarlierRun();
    await cluster.kill();
    const daemon = await aDaemon(options);
    expect(daemon.logs.find(({ msg }) => msg === 'last known backends loaded')).toMatchObject({
      level: 'info',
      backends: 2,
    });
    expect(await ask(daemon.port)).toBe('a');
    expect(await opsAnswer(daemon, '/readyz')).toEqual({ status: 200, body: 'ready' });
    expect(await daemon.metric('edgeproxy_postgres_connected')).toBe(0);
    await cluster.restart();
    await runOn(database.url, SWAP);
    await untilAnswered(daemon.port, 'b');
    await until(async () => (await daemon.metric('edgeproxy_postgres_connected')) === 1, {
      what: 'the daemon to listen',
    });
    await runOn(database.url, SWAP);
    await untilAnswered(daemon.port, 'a');
  });

  it('serves the last known backends when the database is there but does not answer', async () => {
    const { options } = await anEarlierRun();
    await cluster.freeze();
    const env = { ...options.env, EDGEPROXY_POSTGRES_CONNECT_TIMEOUT_SECS: '1' };
    const daemon = await aDaemon({ ...options, env });
    expect(await ask(daemon.port)).toBe('a');
  });

  it('refuses clients when it knows no backend, says so, and serves once the database is there', async () => {
    const [database, backend] = await Promise.all([aDatabase(cluster.url), aNamedBackend('a')]);
    await cluster.kill();
    const daemon = await aDaemon({ env: { ...postgresEnv(database.url), ...NO_POLL } });
    expect(await ask(daemon.port)).toBe('');
    expect(await daemon.metric('edgeproxy_connections_refused_total{reason="no_backend"}')).toBe(1);
    expect(await opsAnswer(daemon, '/readyz')).toEqual({ status: 503, body: 'no eligible backend' });
    expect(await opsAnswer(daemon, '/healthz')).toEqual({ status: 200, body: 'ok' });
    await cluster.restart();
    await daemon.log('database initialized');
    const row = `'a', 'test', 'sa', 'BR', '127.0.0.1', ${backend.port}`;
    await runOn(database.url, `INSERT INTO backends (id, app, region, country, wg_ip, port) VALUES (${row})`);
    await untilAnswered(daemon.port, 'a');
    expect(await opsAnswer(daemon, '/readyz')).toEqual({ status: 200, body: 'ready' });
  });
});

describe('a table of another shape', () => {
  it('is said in the log at the start and mended by ALTER TABLE, without a restart', async () => {
    const [database, backend] = await Promise.all([aDatabase(), aNamedBackend('a')]);
    await database.query(`CREATE TABLE backends (id text PRIMARY KEY, app text NOT NULL, region text NOT NULL,
      country text NOT NULL, wg_ip text NOT NULL, port integer NOT NULL, healthy integer NOT NULL DEFAULT 1,
      soft_limit integer NOT NULL DEFAULT 100, hard_limit integer NOT NULL DEFAULT 150,
      deleted integer NOT NULL DEFAULT 0)`);
    const env = { ...postgresEnv(database.url), EDGEPROXY_POSTGRES_RELOAD_SECS: '1' };
    const daemon = await aDaemon({ env });
    const { level, error } = await daemon.log('backends cannot be read, the last known ones are kept');
    expect(level).toBe('warn');
    expect(error).toContain('the table public.backends cannot hold backends: weight is missing');
    expect(await ask(daemon.port)).toBe('');
    await database.query('ALTER TABLE backends ADD COLUMN weight integer NOT NULL DEFAULT 1');
    await daemon.log('database initialized');
    await putBackends(database, { id: 'a', port: backend.port });
    await untilAnswered(daemon.port, 'a');
  });

  it('keeps a running daemon at its last known backends until the table is mended', async () => {
    const [a, b] = await Promise.all([aNamedBackend('a'), aNamedBackend('b')]);
    const { database, daemon } = await anEdge([{ id: 'a', port: a.port }], { env: NO_POLL });
    await database.query('ALTER TABLE backends RENAME COLUMN weight TO load');
    await database.query('UPDATE backends SET port = $1', [b.port]);
    const { error } = await daemon.log('backends cannot be read, the last known ones are kept');
    expect(error).toContain('column "weight" does not exist');
    expect(await ask(daemon.port)).toBe('a');
    await database.query('ALTER TABLE backends RENAME COLUMN load TO weight');
    await untilAnswered(daemon.port, 'b');
  });
});

describe('a damaged state file', () => {
  it('is said in the log, does not stop the start, and is replaced', async () => {
    const { options, stateDir } = await anEarlierRun();
    const [name] = await readdir(stateDir);
    const path = join(stateDir, name!);
    const good = JSON.parse(await readFile(path, 'utf8')) as { rows: unknown };
    await writeFile(path, '{"format":"edgeproxy-state-1","savedAtMs":17');
    const daemon = await aDaemon(options);
    const line = daemon.logs.find(({ msg }) => msg === 'last known backends cannot be loaded');
    expect(line).toMatchObject({ level: 'error', error: expect.stringContaining(path) });
    await untilAnswered(daemon.port, 'a');
    await end(daemon);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ rows: good.rows });
  });
});
