import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConfigInput,
  type ConfigOutcome,
  type Configuration,
  isWholeFile,
  pendingOf,
  startConfiguration,
  takeIn,
  withRefusals,
} from '../../src/config/configuration.ts';
import { describeConfiguration } from '../../src/config/describe.ts';
import { loadSettings } from '../../src/config/load.ts';
import { planChange } from '../../src/config/plan.ts';
import { readSqlSettings, type SqlSettingRow } from '../../src/config/sql-settings.ts';
import { EdgeProxyError } from '../../src/errors.ts';
import { BAD_FILES } from '../support/bad-configurations.ts';

const SCOPE = { region: 'sa', node: 'edge-1' };
const NO_ENV = {};

const fileOf = (content: string): ConfigInput => ({ source: 'file', file: { path: 'edge.toml', content } });
const rowsOf = (settings: Readonly<Record<string, unknown>>): ConfigInput => ({
  source: 'sql',
  rows: Object.entries(settings).map(([key, value]): SqlSettingRow => ({
    key,
    value,
    region: null,
    node: null,
  })),
});

function start(content = '', env = NO_ENV): Configuration {
  return startConfiguration(env, { file: { path: 'edge.toml', content }, rows: [] }, 'EDGE-1');
}

/** Takes all in; what became of the last one, and the configuration after it. */
function takeAll(before: Configuration, ...inputs: readonly ConfigInput[]) {
  let after = before;
  let outcome: ConfigOutcome = { type: 'UNCHANGED' };
  for (const input of inputs) ({ after, outcome } = takeIn(after, input));
  return { after, outcome };
}

describe('a good input', () => {
  it('changes what it says', () => {
    const { after, outcome } = takeAll(start('log_level = "warn"\n'), fileOf('[rate_limit]\nburst = 5\n'));
    expect(outcome).toMatchObject({ type: 'CHANGED', change: { needsRestart: [] } });
    expect(outcome.type === 'CHANGED' && outcome.change.changes.map(({ key }) => key)).toEqual([
      'log_level',
      'rate_limit.burst',
    ]);
    expect([after.inForce.log_level, after.inForce.rate_limit.burst]).toEqual(['info', 5]);
    expect(after.origins.get('rate_limit.burst')).toEqual({ from: 'file', path: 'edge.toml', line: 2 });
  });

  it('that says the same in other words changes nothing but where values come from', () => {
    const before = start('log_level = "warn"\n');
    const { after, outcome } = takeAll(before, fileOf('# better\n\nlog_level = "warn"\n'));
    expect(outcome).toEqual({ type: 'UNCHANGED' });
    expect(after.inForce).toEqual(before.inForce);
    expect(after.origins.get('log_level')).toMatchObject({ line: 3 });
  });

  it('is overruled by what stands above it', () => {
    const before = start('log_level = "warn"\n', { EDGEPROXY_RATE_LIMIT_BURST: '7' });
    const { after, outcome } = takeAll(before, rowsOf({ log_level: 'debug', 'rate_limit.burst': 8 }));
    expect(outcome).toEqual({ type: 'UNCHANGED' });
    expect([after.inForce.log_level, after.inForce.rate_limit.burst]).toEqual(['warn', 7]);
  });

  it('uncovers what is below when it goes away', () => {
    const { after } = takeAll(
      start('log_level = "warn"\n'),
      rowsOf({ log_level: 'debug' }),
      fileOf('connect_attempts = 4\n'),
    );
    expect([after.inForce.log_level, after.inForce.connect_attempts]).toEqual(['debug', 4]);
    expect(takeAll(after, rowsOf({})).after.inForce.log_level).toBe('info');
  });

  it('keeps the running value of what needs a restart, with its origin, until it is as it was', () => {
    const before = start('region = "eu"\n');
    const { after, outcome } = takeAll(before, fileOf('region = "us"\nconnect_attempts = 4\n'));
    expect(outcome).toMatchObject({ change: { needsRestart: [{ key: 'region', old: 'eu', new: 'us' }] } });
    expect([after.inForce.region, after.inForce.connect_attempts]).toEqual(['eu', 4]);
    expect(after.origins.get('region')).toMatchObject({ from: 'file', line: 1 });
    expect(pendingOf(after).map(({ key }) => key)).toEqual(['region']);
    const again = takeAll(after, fileOf('region = "us"\nconnect_attempts = 5\n'));
    expect(again.outcome).toMatchObject({ change: { needsRestart: [{ key: 'region' }] } });
    const back = takeAll(again.after, fileOf('region = "eu"\nconnect_attempts = 5\n'));
    expect(back.outcome).toMatchObject({ type: 'CHANGED', change: { changes: [], needsRestart: [] } });
    expect(pendingOf(back.after)).toEqual([]);
  });

  it('that exchanges addresses of listeners needs a restart, which the plan and the description say as well', () => {
    const listeners = (metrics: number, admin: number) =>
      `[metrics]\nenabled = true\nlisten_addr = "127.0.0.1:${metrics}"\n` +
      `[admin]\nenabled = true\nlisten_addr = "127.0.0.1:${admin}"\n`;
    const before = start(listeners(7001, 7002));
    const exchanged = fileOf(listeners(7002, 7001));
    const { after, outcome } = takeAll(before, exchanged);
    const keys = ['metrics.listen_addr', 'admin.listen_addr'];
    expect(outcome).toMatchObject({ change: { changes: [], needsRestart: keys.map((key) => ({ key })) } });
    expect(after.inForce).toEqual(before.inForce);
    expect(describeConfiguration(after).pending).toMatchObject(
      keys.map((key) => ({ key, reason: 'restart' })),
    );
    expect(planChange(before, [], exchanged.source === 'file' ? { file: exchanged.file } : {})).toMatchObject(
      {
        settings: keys.map((key) => ({ key, takesEffect: 'after a restart' })),
      },
    );
    const later = takeAll(after, fileOf(`connect_attempts = 9\n${listeners(7002, 7003)}`));
    expect(later.outcome).toMatchObject({ change: { needsRestart: [] } });
    expect(later.after.inForce.metrics.listen_addr).toBe('127.0.0.1:7002');
  });

  it('is tried again when some of it was not possible', () => {
    const before = start();
    const file = fileOf('connect_attempts = 4\nconnect_timeout_secs = 4\n');
    const { after } = takeAll(before, file);
    const partly = withRefusals(before, after, { ...after.inForce, connect_attempts: 3 });
    expect(pendingOf(partly).map(({ key }) => key)).toEqual(['connect_attempts']);
    expect(partly.origins.get('connect_attempts')).toEqual({ from: 'default' });
    expect(takeAll(partly, file).outcome).toMatchObject({
      change: { changes: [{ key: 'connect_attempts' }] },
    });
  });
});

describe('a bad file', () => {
  it.each(BAD_FILES)('with $name changes nothing, and says why', ({ content, says }) => {
    const before = start('[rate_limit]\nburst = 5\n');
    const { after, outcome } = takeAll(before, fileOf(content));
    expect(outcome.type).toBe('REFUSED');
    const { error } = outcome as { readonly error: Error };
    expect(error).toBeInstanceOf(EdgeProxyError);
    expect(error.message).toMatch(says);
    expect(error.message).not.toContain('hush');
    expect({ ...after, newest: before.newest }).toEqual(before);
    expect(isWholeFile(before, { path: 'edge.toml', content })).toBe(false);
  });

  it('is one of at least thirty kinds', () => {
    expect(new Set(BAD_FILES.map(({ name }) => name)).size).toBeGreaterThanOrEqual(30);
  });
});

describe('a file without any setting', () => {
  const emptied = fileOf('# nothing\n');

  it('is refused where it had some, alone and when the rows change', () => {
    const before = start('[rate_limit]\nburst = 5\n');
    const { after, outcome } = takeAll(before, emptied);
    expect(outcome).toMatchObject({
      type: 'REFUSED',
      error: {
        message:
          'edge.toml: has no setting any more: expected at least one; for defaults alone, restart the daemon',
      },
    });
    const later = takeAll(after, rowsOf({ log_level: 'warn' }));
    expect(later.outcome.type).toBe('CHANGED');
    expect([later.after.inForce.rate_limit.burst, later.after.inForce.log_level]).toEqual([5, 'warn']);
    expect(planChange(before, [], { file: { path: 'edge.toml', content: '' } })).toMatchObject({
      isValid: false,
    });
  });

  it('is as good as another one where it had none', () => {
    expect(takeAll(start('# nothing yet\n'), emptied).outcome).toEqual({ type: 'UNCHANGED' });
  });
});

describe('a bad row', () => {
  it('changes nothing, and names itself', () => {
    const before = takeAll(start(), rowsOf({ log_level: 'warn' })).after;
    const { after, outcome } = takeAll(before, rowsOf({ log_level: 'debug', 'rate_limit.brust': 5 }));
    expect(outcome).toMatchObject({
      type: 'REFUSED',
      error: { message: 'edgeproxy.settings: rate_limit.brust: no such key, did you mean rate_limit.burst?' },
    });
    expect(after.inForce).toEqual(before.inForce);
  });

  it('does not keep the file from changing, nor a bad file the rows', () => {
    const { after, outcome } = takeAll(
      start(),
      rowsOf({ log_level: 'warn' }),
      rowsOf({ log_level: 'loud' }),
      fileOf('connect_attempts = 4\n'),
      fileOf('connect_attempts = "x"\n'),
      rowsOf({ log_level: 'error' }),
    );
    expect(outcome.type).toBe('CHANGED');
    expect([after.inForce.log_level, after.inForce.connect_attempts]).toEqual(['error', 4]);
  });
});

describe('sources that do not go together', () => {
  const OWN = { 'metrics.enabled': true, 'metrics.listen_addr': '127.0.0.1:7777' };

  it('refuse the later one, and take it once the other one lets it', () => {
    const before = takeAll(start('listen_addr = "127.0.0.1:7777"\n'), rowsOf(OWN));
    expect(before.outcome).toMatchObject({ type: 'REFUSED' });
    const { after, outcome } = takeAll(before.after, fileOf('listen_addr = "127.0.0.1:7778"\n'));
    expect(outcome).toMatchObject({ type: 'CHANGED' });
    expect(after.wanted.settings.metrics).toMatchObject({ enabled: true, listen_addr: '127.0.0.1:7777' });
  });
});

describe('isWholeFile', () => {
  it('is true for a good file that says something', () => {
    expect(isWholeFile(start(), { path: 'edge.toml', content: 'region = "sa"\n' })).toBe(true);
    expect(isWholeFile(start(), { path: 'edge.toml', content: '# nothing yet\n' })).toBe(false);
    expect(isWholeFile(start(), { path: 'edge.toml', content: '' })).toBe(false);
  });
});

describe('any sequence of good and bad inputs', () => {
  const goodFile = fc
    .record({
      burst: fc.integer({ min: 1, max: 5 }),
      level: fc.constantFrom('warn', 'info'),
      region: fc.constantFrom('sa', 'eu'),
    })
    .map(({ burst, level, region }) =>
      fileOf(`region = "${region}"\nlog_level = "${level}"\n[rate_limit]\nburst = ${burst}\n`),
    );
  const goodRows = fc
    .record(
      {
        'rate_limit.burst': fc.integer({ min: 6, max: 9 }),
        connect_attempts: fc.integer({ min: 1, max: 9 }),
        threads: fc.integer({ min: 0, max: 3 }),
      },
      { requiredKeys: [] },
    )
    .map(rowsOf);
  const badFile = fc.constantFrom(...BAD_FILES).map(({ content }) => fileOf(content));
  const badRows = fc
    .constantFrom({ nonsense: 1 }, { 'rate_limit.burst': 'x' }, { 'postgres.url': 'postgres://h/d' })
    .map(rowsOf);

  it('ends in the last good one of each source', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(goodFile, goodRows, badFile, badRows), { maxLength: 30 }), (inputs) => {
        const first = start('[rate_limit]\nburst = 1\n');
        let configuration = first;
        const good = { file: first.good.file, rows: first.good.rows };
        for (const input of inputs) {
          const isGood = isGoodAlone(input);
          if (isGood)
            Object.assign(good, input.source === 'file' ? { file: input.file } : { rows: input.rows });
          const { after, outcome } = takeIn(configuration, input);
          expect(outcome.type === 'REFUSED').toBe(!isGood);
          if (!isGood) expect(after.inForce).toBe(configuration.inForce);
          configuration = after;
        }
        const { settings } = loadSettings(NO_ENV, good.file, readSqlSettings(good.rows, SCOPE));
        expect(configuration.wanted.settings).toEqual(settings);
        expect(configuration.inForce).toEqual({
          ...settings,
          region: first.inForce.region,
          threads: first.inForce.threads,
        });
      }),
      { numRuns: 300 },
    );
  });
});

function isGoodAlone(input: ConfigInput): boolean {
  try {
    if (input.source === 'file') loadSettings(NO_ENV, input.file);
    else readSqlSettings(input.rows, SCOPE);
    return true;
  } catch {
    return false;
  }
}
