import { connect as connectSocket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createOpenSubscription } from '../../../src/adapters/postgres/subscription.ts';
import type { SubscriptionSession } from '../../../src/domain/backend-source.ts';
import type { EmbeddedPostgres } from '../../../src/adapters/embedded-postgres/cluster.ts';
import { startOwnCluster, type TestDatabase } from '../../support/postgres.ts';
import { startTcpBackend } from '../../support/sockets.ts';
import { until } from '../../support/until.ts';
import { testDatabase, TIMEOUTS, urlOfRole } from './helpers.ts';

interface Subscribed {
  readonly session: SubscriptionSession;
  readonly heard: readonly string[];
}

/** Opens a session that is closed with the test; `heard` collects what it tells. */
async function subscribe(url: string, timeouts = TIMEOUTS, signal = neverAborted()): Promise<Subscribed> {
  const heard: string[] = [];
  const open = createOpenSubscription({ url, ...timeouts });
  const session = await open(
    { onNotified: () => heard.push('notified'), onLost: (error) => heard.push(`lost: ${error.message}`) },
    signal,
  );
  onTestFinished(() => session.close());
  return { session, heard };
}

const neverAborted = () => new AbortController().signal;

async function ownCluster(): Promise<EmbeddedPostgres> {
  const cluster = await startOwnCluster();
  onTestFinished(() => cluster.stop());
  return cluster;
}

async function sessionsOf(database: TestDatabase): Promise<number> {
  const rows = await database.query(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'edgeproxy'`,
  );
  return rows.length;
}

async function elapsedMs(work: Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work;
  return performance.now() - startedMs;
}

describe('a session', () => {
  test('hears a NOTIFY by hand, with and without payload, and nothing else', async () => {
    const database = await testDatabase();
    const { session, heard } = await subscribe(database.url);
    await database.query('NOTIFY other_channel');
    await database.query('NOTIFY edgeproxy_backends');
    await database.query(`NOTIFY edgeproxy_backends, 'any text'`);
    // Notifications arrive in order: with the echo, the ones before it are there.
    await session.beat(5000);
    expect(heard).toEqual(['notified', 'notified']);
  });

  test('needs no right but to log in', async () => {
    const database = await testDatabase();
    const { session, heard } = await subscribe(await urlOfRole(database, []));
    await database.query('NOTIFY edgeproxy_backends');
    await session.beat(5000);
    expect(heard).toEqual(['notified']);
  });

  test('does not take the heartbeat of another daemon for a change', async () => {
    const database = await testDatabase();
    const [one, other] = await Promise.all([subscribe(database.url), subscribe(database.url)]);
    await other.session.beat(5000);
    await one.session.beat(5000);
    expect([...one.heard, ...other.heard]).toEqual([]);
  });

  test('leaves the server when it is closed, and tells nothing more', async () => {
    const database = await testDatabase();
    const { session, heard } = await subscribe(database.url);
    expect(await sessionsOf(database)).toBe(1);
    await Promise.all([session.close(), session.close()]);
    await until(async () => (await sessionsOf(database)) === 0, { what: 'the end of the session' });
    await expect(session.beat(1000)).rejects.toMatchObject({ code: 'ERR_POSTGRES' });
    expect(heard).toEqual([]);
  });
});

describe('a session that dies', () => {
  const TERMINATE = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'edgeproxy'`;

  test('tells so once when the server ends it', async () => {
    const database = await testDatabase();
    const { session, heard } = await subscribe(database.url);
    await database.query(TERMINATE);
    await until(() => heard.length > 0, { what: 'the loss' });
    await session.close();
    await expect(session.beat(1000)).rejects.toMatchObject({ code: 'ERR_POSTGRES' });
    expect(heard).toEqual([
      expect.stringMatching(/^lost: the LISTEN session was lost at 127\.0\.0\.1:\d+\/test_/),
    ]);
  });

  test('fails the heartbeat that was under way', async () => {
    const cluster = await ownCluster();
    const { session, heard } = await subscribe(cluster.url);
    await cluster.freeze();
    const beat = session.beat(60_000).catch((thrown: unknown) => thrown);
    await cluster.kill('SIGKILL');
    expect(await beat).toMatchObject({ code: 'ERR_POSTGRES' });
    await until(() => heard.length > 0, { what: 'the loss' });
    expect(heard).toHaveLength(1);
  });

  test('is not opened again by itself', async () => {
    const cluster = await ownCluster();
    const { session, heard } = await subscribe(cluster.url);
    await cluster.restart();
    await until(() => heard.length > 0, { what: 'the loss' });
    const { session: next } = await subscribe(cluster.url);
    await next.beat(5000);
    await expect(session.beat(1000)).rejects.toMatchObject({ code: 'ERR_POSTGRES' });
    expect(heard).toHaveLength(1);
  });
});

describe('a frozen database', () => {
  test('fails the heartbeat in its time and does not keep the session from closing', async () => {
    const cluster = await ownCluster();
    const { session, heard } = await subscribe(cluster.url);
    await cluster.freeze();
    const startedMs = performance.now();
    await expect(session.beat(200)).rejects.toThrow('no heartbeat within 200 ms');
    expect(performance.now() - startedMs).toBeLessThan(1500);
    expect(await elapsedMs(session.close())).toBeLessThan(1500);
    expect(heard).toEqual([]);
  });

  test('does not keep an idle session from closing', async () => {
    const cluster = await ownCluster();
    const { session } = await subscribe(cluster.url);
    await cluster.freeze();
    expect(await elapsedMs(session.close())).toBeLessThan(1500);
  });

  test('fails to open within the connect timeout', async () => {
    const cluster = await ownCluster();
    await cluster.freeze();
    await expect(subscribe(cluster.url, { ...TIMEOUTS, connectTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'ERR_POSTGRES',
      message: expect.stringMatching(/cannot listen at .*timeout/),
    });
  });

  test('does not keep an attempt that is no longer wanted', async () => {
    const cluster = await ownCluster();
    await cluster.freeze();
    const unwanted = new AbortController();
    const attempt = subscribe(cluster.url, TIMEOUTS, unwanted.signal).catch((thrown: unknown) => thrown);
    const startedMs = performance.now();
    unwanted.abort();
    expect(await attempt).toMatchObject({ code: 'ERR_POSTGRES' });
    expect(performance.now() - startedMs).toBeLessThan(1500);
  });
});

/** Like a pooler that runs LISTEN on another server session: the statement succeeds, on another channel. */
async function throughPooler(database: TestDatabase) {
  const { hostname, port } = new URL(database.url);
  const pooler = await startTcpBackend((client) => {
    const server = connectSocket(Number(port), hostname);
    server.on('error', () => client.destroy());
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    server.pipe(client);
    client.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      server.write(text.replace('LISTEN edgeproxy_backends', 'LISTEN edgeproxy_backendz'), 'latin1');
    });
  });
  onTestFinished(() => pooler.close());
  const url = new URL(database.url);
  url.port = String(pooler.port);
  return { url: url.href, pooler };
}

describe('a LISTEN that is not in force, although the session answers', () => {
  test('fails the heartbeat', async () => {
    const { url } = await throughPooler(await testDatabase());
    const { session, heard } = await subscribe(url);
    await expect(session.beat(300)).rejects.toThrow('no heartbeat within 300 ms');
    expect(heard).toEqual([]);
  });

  test('does not keep a heartbeat waiting for its echo when the session dies', async () => {
    const database = await testDatabase();
    const { url, pooler } = await throughPooler(database);
    const { session } = await subscribe(url);
    const beat = session.beat(60_000).catch((thrown: unknown) => thrown);
    const NOTIFIED = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'
      AND query LIKE 'NOTIFY edgeproxy_backends%'`;
    await until(async () => (await database.query(NOTIFIED)).length === 1, { what: 'the NOTIFY to be done' });
    for (const socket of pooler.sockets) socket.destroy();
    expect(await beat).toMatchObject({ code: 'ERR_POSTGRES' });
  });
});

describe('an attempt that fails', () => {
  test('says that nobody listens there', async () => {
    const nobody = await startTcpBackend(() => {});
    await nobody.close();
    await expect(subscribe(`postgres://u:hunter2@127.0.0.1:${nobody.port}/d`)).rejects.toMatchObject({
      code: 'ERR_POSTGRES',
      message: `cannot listen at 127.0.0.1:${nobody.port}/d: connect ECONNREFUSED 127.0.0.1:${nobody.port}`,
    });
  });

  test('says that the database does not exist, and keeps no connection', async () => {
    const database = await testDatabase();
    const url = new URL('/nowhere', database.url).href;
    await expect(subscribe(url)).rejects.toMatchObject({
      code: 'ERR_POSTGRES',
      message: expect.stringContaining('database "nowhere" does not exist'),
    });
  });

  test('does not begin when it is not wanted', async () => {
    const { url } = await testDatabase();
    await expect(subscribe(url, TIMEOUTS, AbortSignal.abort())).rejects.toMatchObject({
      code: 'ERR_POSTGRES',
    });
  });

  test('ends when the server hangs up before it answers', async () => {
    const rude = await startTcpBackend((socket) => socket.once('data', () => socket.destroy()));
    onTestFinished(() => rude.close());
    await expect(subscribe(`postgres://u@127.0.0.1:${rude.port}/d`)).rejects.toMatchObject({
      code: 'ERR_POSTGRES',
    });
  });
});
