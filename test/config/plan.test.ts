import { describe, expect, it } from 'vitest';
import { startConfiguration } from '../../src/config/configuration.ts';
import { planChange } from '../../src/config/plan.ts';
import { renderPlan } from '../../src/config/render-plan.ts';
import { aBackend } from '../support/backends.ts';

const file = (content: string) => ({ path: 'edge.toml', content });
const RUNNING = '[rate_limit]\nburst = 10\n';

function running(content = RUNNING, env = {}) {
  return startConfiguration({ EDGEPROXY_REGION: 'sa', ...env }, { file: file(content), rows: [] }, 'node-1');
}

const WITH_DATABASE = {
  EDGEPROXY_POSTGRES_ENABLED: 'true',
  EDGEPROXY_POSTGRES_URL: 'postgres://edge:hush@db/edge',
};

const aRow = (fields: object) => ({
  id: 'b1',
  app: 'demo',
  region: 'sa',
  country: 'BR',
  wg_ip: '127.0.0.1',
  port: 9000,
  ...fields,
});

const live = (id: string, connections: number) => ({
  backend: aBackend({ id }),
  isDraining: false,
  connections,
});

describe('a plan', () => {
  it('says of each setting what it is, what it would be, and when', () => {
    const candidate = file('threads = 2\n[rate_limit]\nenabled = true\nburst = 20\n');
    const plan = planChange(running(), [], { file: candidate });
    expect(plan).toMatchObject({
      settings: [
        { key: 'threads', old: '0', new: '2', takesEffect: 'after a restart' },
        { key: 'rate_limit.enabled', old: 'false', new: 'true', takesEffect: 'at once' },
        { key: 'rate_limit.burst', old: '10', new: '20', takesEffect: 'at once' },
      ],
    });
    expect(renderPlan(plan)).toBe(
      'settings\n' +
        '  threads             0 → 2         after a restart\n' +
        '  rate_limit.enabled  false → true  at once\n' +
        '  rate_limit.burst    10 → 20       at once\n' +
        'Nothing of it has been applied.',
    );
  });

  it('says what was found when it was tried, in the place of when it takes effect', () => {
    const found = new Map([
      ['listen_addr', { takesEffect: 'refused', reason: 'it is taken' } as const],
      ['geoip.path', { takesEffect: 'not known', reason: 'nobody can say' } as const],
    ]);
    const candidate = file(
      `listen_addr = "127.0.0.1:80"\nqueue.max = 1\n[geoip]\npath = "geo.mmdb"\n${RUNNING}`,
    );
    expect(renderPlan(planChange(running(), [], { file: candidate }, found))).toBe(
      'settings\n' +
        '  listen_addr  0.0.0.0:8080 → 127.0.0.1:80  keeps its old value: it is taken\n' +
        '  queue.max    0 → 1                        at once\n' +
        '  geoip.path   (none) → geo.mmdb            not known whether at once: nobody can say\n' +
        'Nothing of it has been applied.',
    );
  });

  it('leaves the running configuration alone', () => {
    const configuration = running();
    const before = structuredClone({ ...configuration, origins: [...configuration.origins] });
    planChange(configuration, [live('b1', 3)], { file: file('[rate_limit]\nburst = 20\n') });
    expect({ ...configuration, origins: [...configuration.origins] }).toEqual(before);
  });

  it('lists what is wrong, as a reload would', () => {
    const plan = planChange(running(), [], { file: file('[rate_limit]\nburst = 0\nbrust = 1\n') });
    expect(plan.isValid ? [] : plan.problems.toSorted()).toEqual([
      'edge.toml:2: rate_limit.burst = 0: expected a whole number from 1 to 2147483',
      'edge.toml:3: rate_limit.brust: no such key, did you mean burst?',
    ]);
    expect(renderPlan(plan)).toMatch(/^It would be refused, and nothing would change:\n {2}edge\.toml:/);
  });

  it('says that nothing would change', () => {
    expect(renderPlan(planChange(running(), [live('b1', 1)], {}))).toBe('Nothing would change.');
    expect(renderPlan(planChange(running(), [], { file: file(`# other words\n${RUNNING}`) }))).toBe(
      'Nothing would change.',
    );
  });

  it('shows no secret, and that one would be another', () => {
    const token = (text: string) => `[admin]\ntoken = "${text}-0123456789-0123456789"\n`;
    const plan = planChange(running(token('canary-old')), [], { file: file(token('canary-new')) });
    expect(plan).toMatchObject({ settings: [{ key: 'admin.token', old: '***', new: '***, another value' }] });
    expect(JSON.stringify(plan)).not.toContain('canary');
  });

  it('says what would become of backends in SQL, and of their connections', () => {
    const backendRows = [
      aRow({ id: 'b1', weight: 3 }),
      aRow({ id: 'b2', healthy: 0 }),
      aRow({ id: 'b4', port: 9001 }),
      aRow({ id: 'b5', port: 70_000 }),
    ];
    const plan = planChange(running(RUNNING, WITH_DATABASE), [live('b1', 5), live('b2', 1), live('b3', 12)], {
      backendRows,
    });
    expect(renderPlan(plan)).toBe(
      'backends\n' +
        '  ~ b1  127.0.0.1:9000  weight 1 → 3; 5 connections stay\n' +
        '  ~ b2  127.0.0.1:9000  healthy 1 → 0; 1 connection stays, no new client comes\n' +
        '  - b3  127.0.0.1:9000  leaves (its row is gone): 12 connections may go on for 300 s at most\n' +
        '  + b4  127.0.0.1:9001  comes\n' +
        '  ! b5                  is no backend: port = 70000: expected a port, 1 to 65535\n' +
        'Nothing of it has been applied.',
    );
  });

  it('says what would become of backends in the file', () => {
    const table = (id: string) =>
      `[[backends]]\nid = "${id}"\napp = "demo"\nregion = "sa"\ncountry = "BR"\nwg_ip = "127.0.0.1"\nport = 9000\n`;
    const plan = planChange(running(table('b1')), [live('b1', 0)], { file: file(table('b2')) });
    expect(plan).toMatchObject({
      backends: [
        { kind: 'leaves', backend: { id: 'b1' }, cause: 'missing' },
        { kind: 'comes', backend: { id: 'b2' } },
      ],
    });
  });

  it('leaves backends of the file out where SQL has them, and the other way round', () => {
    const plan = planChange(running(RUNNING, WITH_DATABASE), [live('b1', 1)], {
      file: file('queue.max = 1\n'),
    });
    expect(plan).toMatchObject({ backends: [] });
    expect(planChange(running(), [], { backendRows: [] })).toEqual({
      isValid: false,
      problems: ['this daemon takes no backends from SQL: postgres.enabled is false'],
    });
  });

  it('plans a file and rows that are right only together as one change', () => {
    const row = { key: 'proxy_protocol.send', value: 'v2', region: null, node: null };
    const env = { EDGEPROXY_REGION: 'sa', ...WITH_DATABASE };
    const configuration = startConfiguration(env, { file: file(RUNNING), rows: [row] }, 'node-1');
    const pooled = file(`${RUNNING}[pool]\nenabled = true\n`);
    expect(planChange(configuration, [], { file: pooled })).toMatchObject({ isValid: false });
    expect(planChange(configuration, [], { file: pooled, settingRows: [] })).toMatchObject({
      isValid: true,
      settings: [{ key: 'proxy_protocol.send' }, { key: 'pool.enabled' }],
    });
  });

  it('takes rows of settings, for every daemon or for this one', () => {
    const row = (key: string, value: unknown, node: string | null = null) => ({
      key,
      value,
      region: null,
      node,
    });
    const settingRows = [
      row('queue.max', 5),
      row('log_level', 'debug', 'node-1'),
      row('log_level', 'warn', 'node-2'),
    ];
    expect(planChange(running(RUNNING, WITH_DATABASE), [], { settingRows })).toMatchObject({
      settings: [
        { key: 'queue.max', old: '0', new: '5' },
        { key: 'log_level', old: 'info', new: 'debug' },
      ],
    });
  });

  it('names rows that the file would overrule, but for those that it overrules already', () => {
    const rows = [{ key: 'rate_limit.burst', value: 30, region: null, node: null }];
    const burst = (line: number) =>
      `warning: edgeproxy.settings: rate_limit.burst = 30 has no effect: edge.toml:${line}: rate_limit.burst is 10\n`;
    expect(renderPlan(planChange(running(), [], { settingRows: rows }))).toBe(
      `${burst(2)}Nothing would change.`,
    );
    const configuration = startConfiguration({}, { file: file(RUNNING), rows }, 'node-1');
    const more = [...rows, { key: 'queue.max', value: 5, region: null, node: null }];
    expect(planChange(configuration, [], { settingRows: more })).toMatchObject({
      settings: [{ key: 'queue.max' }],
      warnings: [],
    });
    expect(renderPlan(planChange(configuration, [], { file: file(`threads = 2\n${RUNNING}`) }))).toBe(
      `settings\n  threads  0 → 2  after a restart\n${burst(3)}Nothing of it has been applied.`,
    );
  });
});
