import { describe, expect, it } from 'vitest';
import {
  anEdge,
  aNamedBackend,
  ask,
  askTimes,
  NO_AFFINITY,
  NO_POLL,
  putBackends,
  untilAnswered,
  untilApplied,
} from '../support/edge.ts';
import { until } from '../support/until.ts';

const OPTIONS = { env: { ...NO_AFFINITY, ...NO_POLL } };

/** Nobody answers there: TEST-NET-1 of RFC 5737. */
const NOWHERE = '192.0.2.1';

describe('10,000 rows', () => {
  it('are applied, the near ones are picked, one more change arrives, and all may go at once', async () => {
    const near = await Promise.all(['near-1', 'near-2', 'near-3'].map(aNamedBackend));
    const { database, daemon } = await anEdge([], OPTIONS);
    await database.query(`
      INSERT INTO backends (id, app, region, country, wg_ip, port, healthy, weight, deleted)
      SELECT 'far-' || n, 'test', 'eu', 'PT', '${NOWHERE}', 9000, (n % 4 <> 1)::int, (n % 4 <> 2)::int, (n % 4 = 3)::int
      FROM generate_series(1, 9997) n`);
    await putBackends(database, ...near.map(({ port }, index) => ({ id: `near-${index + 1}`, port })));
    await untilApplied(daemon, 2_502, 7_498);
    expect(await daemon.metric('edgeproxy_backends_eligible')).toBe(2_502);
    expect(new Set(await askTimes(daemon.port, 60))).toEqual(new Set(['near-1', 'near-2', 'near-3']));

    await database.query("UPDATE backends SET healthy = 0 WHERE id = 'near-2'");
    await untilApplied(daemon, 2_501, 7_499);
    expect(new Set(await askTimes(daemon.port, 60))).toEqual(new Set(['near-1', 'near-3']));

    await database.query('TRUNCATE backends');
    await untilApplied(daemon, 0);
    expect(await ask(daemon.port)).toBe('');
    const held = daemon.logs.find(({ msg }) => msg.startsWith('all backends are gone at once'));
    expect(held).toMatchObject({ level: 'warn', heldBackends: 10_000 });

    await putBackends(database, { id: 'near-2', port: near[1]!.port });
    await untilAnswered(daemon.port, 'near-2');
  });
});

describe('rows that cannot be backends', () => {
  it('are skipped, each named with its reason and counted, and the others serve', async () => {
    const good = await aNamedBackend('good');
    const { database, daemon } = await anEdge([{ id: 'good', port: good.port }], OPTIONS);
    await putBackends(
      database,
      { id: 'bad-port', port: 70_000 },
      { id: 'bad-address', port: 80, wg_ip: 'db.example' },
      { id: 'bad-weight', port: 80, weight: -1 },
      { id: 'bad-country', port: 80, country: 'BRA' },
    );
    const skipped = () => daemon.metric('edgeproxy_backend_rows_skipped');
    await until(async () => (await skipped()) === 4, { what: 'four rows to be skipped' });
    const warnings = daemon.logs.filter(({ msg }) => msg === 'backend row skipped');
    expect(warnings.map(({ level, backend, problems }) => [level, backend, String(problems)])).toEqual(
      expect.arrayContaining([
        ['warn', 'bad-port', expect.stringContaining('port = 70000: ')],
        ['warn', 'bad-address', expect.stringContaining('wg_ip = "db.example": ')],
        ['warn', 'bad-weight', expect.stringContaining('weight = -1: ')],
        ['warn', 'bad-country', expect.stringContaining('country = "BRA": ')],
      ]),
    );
    expect(warnings).toHaveLength(4);
    expect(new Set(await askTimes(daemon.port, 10))).toEqual(new Set(['good']));

    await database.query("UPDATE backends SET port = $1 WHERE id = 'bad-port'", [good.port]);
    await until(async () => (await skipped()) === 3, { what: 'the mended row to be taken' });
    await untilApplied(daemon, 2);
  });
});
