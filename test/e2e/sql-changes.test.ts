import { describe, expect, it } from 'vitest';
import type { DaemonProcess } from '../support/daemon.ts';
import { postgresEnv } from '../support/daemon.ts';
import {
  aDaemon,
  aDatabase,
  anEchoBackend,
  anEchoClient,
  anEdge,
  aNamedBackend,
  ask,
  askTimes,
  exchange,
  NO_AFFINITY,
  NO_POLL,
  putBackends,
  untilAnswered,
  untilApplied,
} from '../support/edge.ts';
import { readAll } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const NOTIFIED_ONLY = { env: { ...NO_AFFINITY, ...NO_POLL } };

/** Two backends that say their names, both in force. */
async function aPair() {
  const [a, b] = await Promise.all([aNamedBackend('a'), aNamedBackend('b')]);
  const rows = [
    { id: 'a', port: a.port },
    { id: 'b', port: b.port },
  ];
  return { ...(await anEdge(rows, NOTIFIED_ONLY)), rows };
}

/** Makes a change and awaits the set that the daemon routes by because of it. */
async function inForce(daemon: DaemonProcess, change: () => Promise<unknown>): Promise<void> {
  const from = daemon.logs.length;
  await change();
  const read = await daemon.log('backends read', from);
  await daemon.log('backends applied', daemon.logs.indexOf(read));
}

const excluded = (daemon: DaemonProcess, reason: string) =>
  daemon.metric(`edgeproxy_backends_excluded{reason="${reason}"}`);

describe('a change in SQL', () => {
  it('brings a backend in when its row is inserted', async () => {
    const [first, second] = await Promise.all([aNamedBackend('first'), aNamedBackend('second')]);
    const { database, daemon } = await anEdge([{ id: 'first', port: first.port }], NOTIFIED_ONLY);
    expect(new Set(await askTimes(daemon.port, 10))).toEqual(new Set(['first']));
    await putBackends(database, { id: 'second', port: second.port });
    await untilAnswered(daemon.port, 'second');
  });

  it('gives a backend of weight 0 no new client, and clients again when it weighs something', async () => {
    const { database, daemon } = await aPair();
    await database.query("UPDATE backends SET weight = 0 WHERE id = 'a'");
    await untilApplied(daemon, 1, 1);
    expect(await excluded(daemon, 'weight_zero')).toBe(1);
    expect(new Set(await askTimes(daemon.port, 30))).toEqual(new Set(['b']));
    await database.query("UPDATE backends SET weight = 5 WHERE id = 'a'");
    await untilAnswered(daemon.port, 'a');
  });

  it('shares clients in proportion to weight', async () => {
    const [a, b] = await Promise.all([anEchoBackend(), anEchoBackend()]);
    const rows = [
      { id: 'a', port: a.port },
      { id: 'b', port: b.port },
    ];
    const { database, daemon } = await anEdge(rows, NOTIFIED_ONLY);
    await inForce(daemon, () => database.query("UPDATE backends SET weight = 4 WHERE id = 'a'"));
    for (let client = 0; client < 50; client++) await anEchoClient(daemon.port);
    expect(a.sockets.length).toBeGreaterThanOrEqual(39);
    expect(b.sockets.length).toBeGreaterThanOrEqual(9);
  });

  it('keeps new clients from a backend that is taken out or deleted, and says why', async () => {
    const { database, daemon, rows } = await aPair();
    const cases = [
      ["UPDATE backends SET healthy = 0 WHERE id = 'a'", 'admin_down'],
      ["UPDATE backends SET deleted = 1 WHERE id = 'a'", 'deleted'],
      ["DELETE FROM backends WHERE id = 'a'", undefined],
    ] as const;
    for (const [statement, reason] of cases) {
      await putBackends(database, ...rows);
      await untilApplied(daemon, 2);
      await database.query(statement);
      await untilApplied(daemon, 1, reason === undefined ? 0 : 1);
      expect(new Set(await askTimes(daemon.port, 30))).toEqual(new Set(['b']));
      expect(await daemon.metric('edgeproxy_backends_eligible')).toBe(1);
      for (const other of ['admin_down', 'deleted', 'weight_zero']) {
        expect(await excluded(daemon, other)).toBe(other === reason ? 1 : 0);
      }
    }
  });

  it('moves new clients to another port', async () => {
    const [old, moved] = await Promise.all([aNamedBackend('old'), aNamedBackend('moved')]);
    const { database, daemon } = await anEdge([{ id: 'a', port: old.port }], { env: NO_POLL });
    expect(await ask(daemon.port)).toBe('old');
    await database.query('UPDATE backends SET port = $1', [moved.port]);
    await untilAnswered(daemon.port, 'moved');
    expect(new Set(await askTimes(daemon.port, 10))).toEqual(new Set(['moved']));
  });

  it('leaves a live connection alone until it ends, whatever becomes of its backend', async () => {
    const backend = await anEchoBackend();
    const row = { id: 'a', port: backend.port };
    const { database, daemon } = await anEdge([row], { env: NO_POLL });
    const statements = [
      'UPDATE backends SET healthy = 0',
      'UPDATE backends SET weight = 0',
      'UPDATE backends SET deleted = 1',
      'UPDATE backends SET port = 1',
      'DELETE FROM backends',
    ];
    for (const [round, statement] of statements.entries()) {
      await inForce(daemon, () => putBackends(database, { ...row, soft_limit: round + 1 }));
      const client = await anEchoClient(daemon.port);
      await inForce(daemon, () => database.query(statement));
      expect(await ask(daemon.port)).toBe('');
      await exchange(client, 'still here');
      expect(await daemon.metric('edgeproxy_connections_active')).toBe(1);
      const rest = readAll(client);
      client.end('bye');
      expect((await rest).toString()).toBe('bye');
      await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 0, {
        what: 'the connection to be over',
      });
    }
  });

  it('arrives by a NOTIFY by hand where no trigger tells of it', async () => {
    const { database, daemon } = await aPair();
    await database.query('ALTER TABLE backends DISABLE TRIGGER edgeproxy_backends_changed');
    await database.query("UPDATE backends SET healthy = 0 WHERE id = 'a'");
    await untilAnswered(daemon.port, 'a');
    await database.query('NOTIFY edgeproxy_backends');
    await untilApplied(daemon, 1, 1);
    expect(new Set(await askTimes(daemon.port, 20))).toEqual(new Set(['b']));
  });

  it('is in force 200 times out of 200, by notification alone', async () => {
    const { database, daemon } = await aPair();
    const takenMs: number[] = [];
    for (let round = 0; round < 200; round++) {
      const wanted = round % 2 === 0 ? 'a' : 'b';
      await database.query('UPDATE backends SET healthy = (id = $1)::int', [wanted]);
      takenMs.push(await msUntilAnswered(daemon.port, wanted));
    }
    takenMs.sort((one, other) => one - other);
    const [median, p99] = [takenMs[100]!, takenMs[198]!].map((ms) => ms.toFixed(2));
    // oxlint-disable-next-line no-console -- a number to look at, not to hold a machine to
    console.info(`commit to route over 200 changes: median ${median} ms, p99 ${p99} ms`);
    expect(takenMs).toHaveLength(200);
  });
});

/** Asks until the answer is the wanted one and not the other's any more; resolves with how long that took. */
async function msUntilAnswered(port: number, wanted: string): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    const answer = await ask(port);
    const passedMs = performance.now() - startedMs;
    if (answer === wanted) return passedMs;
    if (passedMs > 10_000) throw new Error(`still no answer from ${wanted}`);
  }
}

describe('eight daemons', () => {
  it('create the schema once when they start at once, and all serve', async () => {
    const [database, backend] = await Promise.all([aDatabase(), aNamedBackend('a')]);
    const env = { ...postgresEnv(database.url), ...NO_POLL };
    const daemons = await Promise.all(
      Array.from({ length: 8 }, () => aDaemon({ env, startTimeoutMs: 50_000 })),
    );
    const created = daemons.flatMap(({ logs }) =>
      logs.filter(({ msg }) => msg === 'database initialized').map((line) => line['created']),
    );
    expect(created).toEqual([
      [
        'public.backends',
        'idx_backends_healthy',
        'idx_backends_region',
        'health_check',
        'proxy_protocol',
        'expired',
        'edgeproxy_backends_changed',
      ],
    ]);
    await putBackends(database, { id: 'a', port: backend.port });
    await Promise.all(daemons.map(({ port }) => untilAnswered(port, 'a')));
    const troubles = daemons.flatMap(({ logs }) =>
      logs.filter(({ level }) => level === 'warn' || level === 'error'),
    );
    // Asked before the row was there, a daemon says that it refuses.
    expect(troubles.filter(({ msg }) => msg !== 'clients are refused')).toEqual([]);
  });
});
