import { describe, expect, it } from 'vitest';
import { type DaemonProcess, type Env, postgresEnv, spawnCli } from '../support/daemon.ts';
import {
  aDaemon,
  aDatabase,
  aNamedBackend,
  ask,
  NO_AFFINITY,
  NO_POLL,
  putBackends,
  untilAnswered,
  untilApplied,
} from '../support/edge.ts';
import { startLoad } from '../support/load.ts';
import { ownCluster } from '../support/own-cluster.ts';
import { connect, runOn, type TestDatabase } from '../support/postgres.ts';
import { until } from '../support/until.ts';

const cluster = ownCluster();

const NOT_LISTENING = 'not listening for changes of backends, the last known ones are kept';

const SWAP = 'UPDATE backends SET healthy = 1 - healthy';

const untilConnected = (daemon: DaemonProcess, value: 0 | 1): Promise<unknown> =>
  until(async () => (await daemon.metric('edgeproxy_postgres_connected')) === value, {
    what: `edgeproxy_postgres_connected to be ${value}`,
    timeoutMs: 30_000,
  });

/** A daemon with the backends a and b, of which only a is healthy until somebody swaps them. */
async function aServing(database: TestDatabase, env: Env = {}): Promise<DaemonProcess> {
  const [a, b] = await Promise.all([aNamedBackend('a'), aNamedBackend('b')]);
  const daemon = await aDaemon({ env: { ...NO_AFFINITY, ...NO_POLL, ...postgresEnv(database.url), ...env } });
  await putBackends(database, { id: 'a', port: a.port }, { id: 'b', port: b.port, healthy: 0 });
  await untilApplied(daemon, 1, 1);
  await untilConnected(daemon, 1);
  return daemon;
}

/** A role that owns the database, so that a daemon may be locked out while others are not. */
async function anOwner({ url }: TestDatabase) {
  const name = new URL(url).pathname.slice(1);
  const role = `owner_of_${name}`;
  await runOn(cluster.url, `CREATE ROLE ${role} LOGIN`);
  await runOn(cluster.url, `ALTER DATABASE ${name} OWNER TO ${role}`);
  return {
    url: url.replace('postgres@', `${role}@`),
    mayLogIn: (may: boolean) => runOn(cluster.url, `ALTER ROLE ${role} ${may ? 'LOGIN' : 'NOLOGIN'}`),
  };
}

describe('a database that is killed', () => {
  it('costs no client anything, and what changed before the daemon is back arrives', async () => {
    const database = await aDatabase(cluster.url);
    const owner = await anOwner(database);
    const daemon = await aServing(database, postgresEnv(owner.url));
    const load = startLoad(2, () => ask(daemon.port));
    await until(() => load.served > 100, { what: 'clients to be served' });

    await owner.mayLogIn(false);
    await cluster.kill();
    await untilConnected(daemon, 0);
    await cluster.restart();
    await runOn(database.url, SWAP);
    expect(await daemon.metric('edgeproxy_postgres_connected')).toBe(0);
    expect(await ask(daemon.port)).toBe('a');
    await owner.mayLogIn(true);
    await untilAnswered(daemon.port, 'b');

    await untilConnected(daemon, 1);
    await runOn(database.url, SWAP);
    await untilAnswered(daemon.port, 'a');
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it('may be killed again and again', async () => {
    const database = await aDatabase(cluster.url);
    const daemon = await aServing(database);
    const load = startLoad(2, () => ask(daemon.port));
    for (const expected of ['b', 'a', 'b']) {
      await cluster.kill();
      await cluster.restart();
      await runOn(database.url, SWAP);
      await untilAnswered(daemon.port, expected);
    }
    await load.stop();
    expect(load.failures).toEqual([]);
  });
});

describe('edgeproxy sql', () => {
  it('says in one line that its session was lost', async () => {
    const sql = spawnCli(['sql', 'SELECT pg_sleep(60)'], { EDGEPROXY_POSTGRES_URL: cluster.url });
    const observer = await connect(cluster.url);
    const asleep =
      "SELECT FROM pg_stat_activity WHERE application_name = 'edgeproxy sql' AND state = 'active'";
    await until(async () => (await observer.query(asleep)).rowCount === 1, { what: 'the statement to run' });
    await cluster.kill();
    expect(await sql.exited).toEqual({ code: 1, signal: null });
    expect(sql.stderr()).toMatch(/^edgeproxy: 127\.0\.0\.1:\d+\/postgres: .+\n$/);
  });
});

describe('a database that stands still', () => {
  it('is noticed, keeps nobody from being served or stopped, and is followed again', async () => {
    const database = await aDatabase(cluster.url);
    const env = { EDGEPROXY_POSTGRES_CONNECT_TIMEOUT_SECS: '1' };
    const daemons = [await aServing(database, env), await aServing(database, env)] as const;
    const [daemon, leaving] = daemons;
    await cluster.freeze();
    await until(
      async () => {
        expect(await ask(daemon.port)).toBe('a');
        return daemons.every(({ logs }) => logs.some(({ msg }) => msg === NOT_LISTENING));
      },
      { what: 'both daemons to notice', timeoutMs: 25_000 },
    );
    expect(await daemon.metric('edgeproxy_postgres_connected')).toBe(0);
    leaving.child.kill('SIGTERM');
    expect(await leaving.exited).toEqual({ code: 0, signal: null });
    expect(await ask(daemon.port)).toBe('a');

    await cluster.thaw();
    await untilConnected(daemon, 1);
    await runOn(database.url, SWAP);
    await untilAnswered(daemon.port, 'b');
  });

  it('does not keep a daemon from ending on SIGTERM', async () => {
    const daemon = await aServing(await aDatabase(cluster.url));
    await cluster.freeze();
    daemon.child.kill('SIGTERM');
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
    expect(daemon.logs.at(-1)).toMatchObject({ msg: 'stopped' });
  });

  it('does not keep a daemon that waits for rows from ending on SIGTERM', async () => {
    const database = await aDatabase(cluster.url);
    const daemon = await aServing(database);
    const locking = await connect(database.url);
    await locking.query('BEGIN; LOCK TABLE backends IN ACCESS EXCLUSIVE MODE');
    await database.query('NOTIFY edgeproxy_backends');
    await until(async () => (await database.query('SELECT FROM pg_locks WHERE NOT granted')).length === 1, {
      what: 'the read to wait for the lock',
    });
    await cluster.freeze();
    daemon.child.kill('SIGTERM');
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
  });
});
