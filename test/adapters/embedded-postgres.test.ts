import { fork } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Client } from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from '../../src/adapters/embedded-postgres/cluster.ts';
import { processesTagged } from '../../src/adapters/embedded-postgres/processes.ts';
import { messageOf } from '../../src/errors.ts';
import { connect, createDatabase } from '../support/postgres.ts';
import { once } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const running: EmbeddedPostgres[] = [];

async function start(options?: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres(options);
  running.push(postgres);
  return postgres;
}

async function query(postgres: EmbeddedPostgres, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = await connect(postgres.url);
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Keeps a backend process busy; resolves with how that ended. */
function endlessQuery(client: Client): Promise<string> {
  return client.query('SELECT sum(n) FROM generate_series(1, 1e12) AS n').then(() => 'answered', messageOf);
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function tagOf(postgres: EmbeddedPostgres): Promise<string> {
  return String((await query(postgres, 'SHOW cluster_name'))[0]?.['cluster_name']);
}

afterEach(() => Promise.all(running.splice(0).map((postgres) => postgres.stop())));

describe('life', () => {
  test('stop leaves no process and no folder', async () => {
    const postgres = await start();
    const tag = await tagOf(postgres);
    expect((await processesTagged(tag)).length).toBeGreaterThan(1);
    expect((await stat(dirname(postgres.dataDir))).mode & 0o777).toBe(0o700);

    await postgres.stop();

    expect(await processesTagged(tag)).toEqual([]);
    expect(await isThere(dirname(postgres.dataDir))).toBe(false);
    expect(postgres.pid).toBeUndefined();
    await expect(postgres.stop()).resolves.toBeUndefined();
  });

  test('an owner that is killed takes the cluster down', async () => {
    const owner = fork(join(import.meta.dirname, '../support/embedded-postgres-owner.ts'));
    const [message] = await once(owner, 'message');
    const cluster = z.object({ tag: z.string(), dataDir: z.string() }).parse(message);
    expect((await processesTagged(cluster.tag)).length).toBeGreaterThan(1);

    owner.kill('SIGKILL');

    await until(async () => (await processesTagged(cluster.tag)).length === 0, {
      what: 'the end of the cluster',
    });
    await until(async () => !(await isThere(dirname(cluster.dataDir))), { what: 'the end of its folder' });
  });

  test('a named data folder is kept and can be started again after stop', async () => {
    const dataDir = join(await temporaryFolder(), 'nested', 'data');
    const postgres = await start({ dataDir });
    await query(postgres, 'CREATE TABLE kept AS SELECT 1 AS value');
    const { url } = postgres;

    await postgres.stop();
    expect(await isThere(dataDir)).toBe(true);
    await postgres.restart();

    expect(postgres.url).toBe(url);
    expect(await query(postgres, 'SELECT value FROM kept')).toEqual([{ value: 1 }]);
  });

  test('temporary data cannot be started again after stop', async () => {
    const postgres = await start();
    await postgres.stop();
    await expect(postgres.restart()).rejects.toMatchObject({ code: 'ERR_EMBEDDED_POSTGRES' });
  });
});

describe('trouble on purpose', () => {
  test('kill -9 and restart keep what was committed, on the same port', async () => {
    const postgres = await start();
    const tag = await tagOf(postgres);
    const busy = await connect(postgres.url);
    await busy.query('CREATE TABLE kept AS SELECT 1 AS value');
    const outcome = endlessQuery(busy);
    const { url, pid } = postgres;

    await postgres.kill('SIGKILL');
    expect(await outcome).toMatch(/terminated|ECONNRESET/);
    expect(await processesTagged(tag)).toEqual([]);
    expect(postgres.pid).toBeUndefined();
    await postgres.restart();

    expect(postgres.url).toBe(url);
    expect(postgres.pid).not.toBe(pid);
    expect(await query(postgres, 'SELECT value FROM kept')).toEqual([{ value: 1 }]);
  });

  test('a crash from outside does not stand in the way of a restart', async () => {
    const postgres = await start();
    const busy = await connect(postgres.url);
    const outcome = endlessQuery(busy);

    process.kill(postgres.pid!, 'SIGKILL');
    await until(() => postgres.pid === undefined, { what: 'the end of the postmaster' });
    await postgres.restart();

    expect(await outcome).toMatch(/terminated|ECONNRESET/);
    expect(await query(postgres, 'SELECT 1 AS value')).toEqual([{ value: 1 }]);
  });

  test('a frozen cluster answers nobody, a thawed one completes what was asked', async () => {
    const postgres = await start();
    const impatient = await connect(postgres.url, { query_timeout: 200 });
    const patient = await connect(postgres.url);

    await postgres.freeze();
    const answer = patient.query('SELECT 1 AS value');
    await expect(impatient.query('SELECT 1')).rejects.toThrow('timeout');
    await expect(connect(postgres.url, { connectionTimeoutMillis: 200 })).rejects.toThrow('timeout');

    await postgres.thaw();
    expect((await answer).rows).toEqual([{ value: 1 }]);
    await Promise.all([impatient.end(), patient.end()]);
  });

  test('a frozen cluster can be stopped and killed', async () => {
    const postgres = await start();
    await postgres.freeze();
    await postgres.kill('SIGKILL');
    await postgres.restart();
    await postgres.freeze();
    await postgres.stop();
    expect(await isThere(postgres.dataDir)).toBe(false);
  });

  test('signals need a running server', async () => {
    const postgres = await start();
    await postgres.kill('SIGKILL');
    await expect(postgres.freeze()).rejects.toMatchObject({ code: 'ERR_EMBEDDED_POSTGRES' });
    await expect(postgres.kill('SIGTERM')).rejects.toMatchObject({ code: 'ERR_EMBEDDED_POSTGRES' });
  });
});

test('databases on the shared cluster are separate, and dropped with their sessions', async () => {
  const [a, b] = await Promise.all([createDatabase(), createDatabase()]);
  const straggler = await connect(a.url);
  await a.query('CREATE TABLE mine AS SELECT $1::int AS value', [1]);
  expect(await b.query("SELECT 1 FROM pg_class WHERE relname = 'mine'")).toEqual([]);

  await a.drop();
  await a.drop();

  await expect(straggler.query('SELECT 1')).rejects.toThrow(/terminat|not queryable/);
  await expect(connect(a.url)).rejects.toMatchObject({ code: '3D000' });
  await b.drop();
});
