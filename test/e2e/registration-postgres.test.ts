import { describe, expect, it } from 'vitest';
import { anApiDaemon, untilChanged } from '../support/api-daemon.ts';
import { postgresEnv } from '../support/daemon.ts';
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
import { codeBlocks, readDocument } from '../support/markdown.ts';
import { ownCluster } from '../support/own-cluster.ts';
import { until } from '../support/until.ts';

const cluster = ownCluster();

const SHORT_TTL = { EDGEPROXY_HEARTBEAT_TTL_SECS: '2' };

describe('daemons of one database', () => {
  it('all route to what registers with one of them, by notification, until it deregisters', async () => {
    const [database, inSql, registered] = await Promise.all([
      aDatabase(),
      aNamedBackend('sql'),
      aNamedBackend('registered'),
    ]);
    const env = { ...NO_POLL, ...NO_AFFINITY, ...postgresEnv(database.url) };
    const [api, other] = await Promise.all([anApiDaemon({ env }), aDaemon({ env })]);
    await putBackends(database, { id: 'sql', port: inSql.port });
    await Promise.all([api, other].map((daemon) => untilApplied(daemon, 1)));
    expect(await api.register('sql', registered.port)).toBe(409);
    expect(await api.register('registered', registered.port, { weight: 5 })).toBe(201);
    await Promise.all([api, other].map((daemon) => untilAnswered(daemon.port, 'registered')));
    expect(
      await database.query('SELECT weight, registered_by FROM backends JOIN backend_heartbeats USING (id)'),
    ).toEqual([{ weight: 5, registered_by: '127.0.0.1' }]);
    expect(await api.deregister('sql')).toBe(404);
    expect(await api.deregister('registered')).toBe(200);
    await Promise.all([api, other].map((daemon) => untilApplied(daemon, 1)));
    expect(await ask(other.port)).toBe('sql');
  });

  it('take a silent backend out once, and never one of SQL or one that another daemon hears', async () => {
    const [database, inSql, silent, alive] = await Promise.all([
      aDatabase(),
      aNamedBackend('sql'),
      aNamedBackend('silent'),
      aNamedBackend('alive'),
    ]);
    const env = { ...NO_POLL, ...NO_AFFINITY, ...SHORT_TTL, ...postgresEnv(database.url) };
    const [one, two, three] = await Promise.all([
      anApiDaemon({ env }),
      anApiDaemon({ env }),
      aDaemon({ env }),
    ]);
    const all = [one, two, three];
    await putBackends(database, { id: 'sql', port: inSql.port });
    await one.register('silent', silent.port);
    await two.register('alive', alive.port);
    const beating = startLoad(1, async () => String(await one.beat('alive')));
    await until(() => [one, two].some(({ logs }) => logs.some((line) => line['change'] === 'expired')), {
      what: 'silence to be noticed',
    });
    await Promise.all(all.map((daemon) => untilApplied(daemon, 2, 1)));
    expect(await two.beat('silent')).toBe(200);
    await Promise.all(all.map((daemon) => untilAnswered(daemon.port, 'silent')));
    const changes = (change: string) =>
      [one, two].flatMap(({ logs }) => logs.filter((line) => line['change'] === change));
    await until(() => changes('removed').length > 0, { what: 'silence to be final' });
    await Promise.all(all.map((daemon) => untilApplied(daemon, 2)));
    await beating.stop();
    expect([...beating.servedBy.keys()]).toEqual(['200']);
    expect(changes('expired').map((line) => line['backend'])).toEqual(['silent', 'silent']);
    expect(changes('removed')).toMatchObject([{ level: 'warn', backend: 'silent', role: 'silence' }]);
    expect(await database.query('SELECT id FROM backends ORDER BY id')).toEqual([
      { id: 'alive' },
      { id: 'sql' },
    ]);
    // Thousands of heartbeats, and not one that made a daemon read.
    expect(beating.served).toBeGreaterThan(100);
    expect(three.logs.filter(({ msg }) => msg === 'backends read').length).toBeLessThan(15);
  });

  it('obey the operator as the documentation says', async () => {
    const [database, backend] = await Promise.all([aDatabase(), aNamedBackend('web-1')]);
    const env = { ...NO_POLL, ...NO_AFFINITY, ...SHORT_TTL, ...postgresEnv(database.url) };
    const daemon = await anApiDaemon({ env });
    const blocks = codeBlocks(readDocument('docs/registration-api.md'), 'sql');
    const [out, ban, remove, adopt] = blocks
      .find((sql) => sql.includes('UPDATE'))!
      .trim()
      .split('\n');
    await daemon.register('web-1', backend.port);
    await untilAnswered(daemon.port, 'web-1');
    await database.query(out!);
    await untilAnswered(daemon.port, '');
    expect(await daemon.beat('web-1')).toBe(200);
    expect(await daemon.register('web-1', backend.port)).toBe(201);
    expect((await daemon.ask('/api/v1/backends/web-1')).json).toMatchObject({ healthy: false });
    await database.query(ban!);
    expect([await daemon.beat('web-1'), await daemon.register('web-1', backend.port)]).toEqual([404, 409]);
    await database.query(remove!);
    expect(await daemon.register('web-1', backend.port)).toBe(201);
    await untilAnswered(daemon.port, 'web-1');
    await database.query(adopt!);
    await daemon.register('witness', backend.port);
    await untilChanged(daemon, 'removed', 'witness');
    expect(await ask(daemon.port)).toBe('web-1');
    expect(await daemon.deregister('web-1')).toBe(404);
  });
});

describe('a database that is away', () => {
  it('is told to clients, costs nobody a place, and takes registrations again when it is back', async () => {
    const [database, backend] = await Promise.all([aDatabase(cluster.url), aNamedBackend('a')]);
    const env = { ...NO_AFFINITY, ...SHORT_TTL, ...postgresEnv(database.url) };
    const daemon = await anApiDaemon({ env });
    await daemon.register('a', backend.port);
    await untilAnswered(daemon.port, 'a');
    const seen = new Set<number>();
    // Heartbeats go on all the time; during the outage they fail.
    const beating = startLoad(1, async () => {
      seen.add(await daemon.beat('a'));
      return 'answered';
    });
    await cluster.kill();
    await daemon.log('registrations are not swept, nobody expires');
    await until(() => seen.has(503), { what: 'a heartbeat that is not taken' });
    expect(await daemon.register('b', backend.port)).toBe(503);
    expect((await daemon.ask('/health')).status).toBe(200);
    expect(await ask(daemon.port)).toBe('a');
    await cluster.restart();
    await until(async () => (await daemon.register('b', backend.port)) === 201, {
      what: 'a registration to be taken',
    });
    await untilChanged(daemon, 'expired', 'b');
    await beating.stop();
    expect(beating.failures).toEqual([]);
    expect([...seen].toSorted((x, y) => x - y)).toEqual([200, 503]);
    expect(daemon.logs.filter((line) => line['change'] === 'expired' && line['backend'] === 'a')).toEqual([]);
    expect(await ask(daemon.port)).toBe('a');
  });
});
