import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../../src/config/catalogue.ts';
import { loadSettings } from '../../src/config/load.ts';
import {
  NOT_IN_SQL,
  readSqlSettings,
  reasonAgainst,
  type SqlSettingRow,
} from '../../src/config/sql-settings.ts';
import { EdgeProxyError } from '../../src/errors.ts';

const HERE = { region: 'sa', node: 'edge-1' };

const row = (key: string, value: unknown, scope: Partial<SqlSettingRow> = {}): SqlSettingRow => ({
  key,
  value,
  region: null,
  node: null,
  ...scope,
});

/** The lines of the error that these rows end in. */
function problems(...rows: readonly SqlSettingRow[]): readonly string[] {
  try {
    readSqlSettings(rows, HERE);
  } catch (error) {
    if (error instanceof EdgeProxyError && error.code === 'ERR_SETTINGS_INVALID')
      return error.message.split('\n');
    throw error;
  }
  throw new Error('the rows were accepted');
}

describe('precedence', () => {
  const ROWS = [
    row('rate_limit.burst', 3, { node: 'Edge-1' }),
    row('rate_limit.burst', 1),
    row('rate_limit.burst', 2, { region: 'SA' }),
    row('rate_limit.max_requests', 20, { region: 'sa' }),
    row('rate_limit.max_requests', 10),
    row('rate_limit.window_secs', 7),
    row('rate_limit.burst', 99, { node: 'edge-2' }),
    row('rate_limit.max_requests', 99, { region: 'eu' }),
  ];

  it('takes a row for the node over one for the region over one for everybody, whatever their order', () => {
    for (const rows of [ROWS, ROWS.toReversed()]) {
      const sql = readSqlSettings(rows, HERE);
      const { settings, origins } = loadSettings({}, undefined, sql);
      expect(settings.rate_limit).toMatchObject({ burst: 3, max_requests: 20, window_secs: 7 });
      expect(origins.get('rate_limit.burst')).toEqual({ from: 'sql', node: 'edge-1' });
      expect(origins.get('rate_limit.max_requests')).toEqual({ from: 'sql', region: 'sa' });
      expect(origins.get('rate_limit.window_secs')).toEqual({ from: 'sql' });
      expect(origins.get('rate_limit.enabled')).toEqual({ from: 'default' });
    }
  });

  it('takes the file over SQL, and the environment over the file', () => {
    const sql = readSqlSettings(ROWS, HERE);
    const file = { path: 'edge.toml', content: '[rate_limit]\nmax_requests = 5\nwindow_secs = 6\n' };
    const { settings, origins } = loadSettings({ EDGEPROXY_RATE_LIMIT_WINDOW_SECS: '8' }, file, sql);
    expect(settings.rate_limit).toMatchObject({ burst: 3, max_requests: 5, window_secs: 8 });
    expect(origins.get('rate_limit.max_requests')).toEqual({ from: 'file', path: 'edge.toml', line: 2 });
    expect(origins.get('rate_limit.window_secs')).toEqual({
      from: 'env',
      name: 'EDGEPROXY_RATE_LIMIT_WINDOW_SECS',
    });
  });

  it('takes a table of the file instead of the one in SQL, not both', () => {
    const sql = readSqlSettings([row('geoip.cidrs', { '10.0.0.0/8': 'BR' })], HERE);
    expect(loadSettings({}, undefined, sql).settings.geoip.cidrs).toEqual({ '10.0.0.0/8': 'BR' });
    const file = { path: 'edge.toml', content: '[geoip.cidrs]\n"11.0.0.0/8" = "US"\n' };
    expect(loadSettings({}, file, sql).settings.geoip.cidrs).toEqual({ '11.0.0.0/8': 'US' });
  });
});

describe('a row', () => {
  it('may give every setting but those that it is found by', () => {
    const refused = SETTINGS.filter(({ key }) => reasonAgainst(key) !== undefined).map(({ key }) => key);
    expect(refused.filter((key) => !key.startsWith('postgres.'))).toEqual([
      'region',
      'node',
      'state_dir',
      'backends',
    ]);
    expect(Object.keys(NOT_IN_SQL)).toHaveLength(5);
    const defaults = SETTINGS.filter(({ key, standard }) => standard !== undefined && !refused.includes(key));
    const rows = defaults.map(({ key, standard }) => row(key, standard));
    expect(loadSettings({}, undefined, readSqlSettings(rows, HERE)).settings).toEqual(
      loadSettings({}).settings,
    );
  });

  it.each<[string, unknown, string]>([
    ['rate_limit.brust', 1, 'no such key, did you mean rate_limit.burst?'],
    ['__proto__', {}, 'no such key'],
    ['rate_limit', { burst: 1 }, 'no such key'],
    ['geoip.cidrs.10.0.0.0/8', 'BR', 'no such key'],
    ['', 1, 'no such key'],
    ['EDGEPROXY_LOG_LEVEL', 'debug', 'no such key'],
  ])('with the key %s is refused', (key, value, problem) => {
    expect(problems(row(key, value))).toEqual([
      expect.stringContaining(`edgeproxy.settings: ${key}: ${problem}`),
    ]);
  });

  it.each<[string, unknown, string]>([
    ['rate_limit.burst', '5', 'rate_limit.burst = "5": expected a whole number from 1 to 2147483'],
    ['rate_limit.burst', null, 'rate_limit.burst = null: expected a whole number from 1 to 2147483'],
    ['rate_limit.burst', 0, 'rate_limit.burst = 0: expected a whole number from 1 to 2147483'],
    ['rate_limit.burst', 1.5, 'rate_limit.burst = 1.5: expected a whole number from 1 to 2147483'],
    [
      'rate_limit.burst',
      { burst: 1 },
      'rate_limit.burst = {"burst":1}: expected a whole number from 1 to 2147483',
    ],
    ['rate_limit.enabled', 1, 'rate_limit.enabled = 1: expected true or false'],
    ['log_level', 'loud', 'log_level = "loud": expected one of error, warn, info, debug'],
    [
      'metrics.listen_addr',
      'localhost:1',
      'metrics.listen_addr = "localhost:1": expected ADDRESS:PORT or [IPV6]:PORT',
    ],
    ['geoip.cidrs', [], 'geoip.cidrs = []: expected a table'],
    ['geoip.cidrs', { x: 'BR' }, 'geoip.cidrs.x = "BR": '],
    [
      'rate_limit.exempt',
      '10.0.0.0/8',
      'rate_limit.exempt = "10.0.0.0/8": expected a list such as ["ONE", "TWO"]',
    ],
    ['admin.token', 7, 'admin.token = ***: '],
    ['admin.token', 'hush', 'admin.token = ***: '],
  ])('that gives %s the value %j is refused', (key, value, problem) => {
    const lines = problems(row(key, value));
    expect(lines[0]).toContain(`edgeproxy.settings: ${problem}`);
    expect(lines.join()).not.toContain('hush');
  });

  it.each([
    ['postgres.url', 'the database is reached by it'],
    ['postgres.reload_secs', 'the database is reached by it'],
    ['region', 'it decides which rows count'],
    ['node', 'it decides which rows count'],
    ['state_dir', 'the last known rows are kept there'],
    ['backends', 'the table backends has them'],
  ])('that gives %s is refused with the reason, and its value is not shown', (key, reason) => {
    expect(problems(row(key, 'x'))).toEqual([
      `edgeproxy.settings: ${key}: expected in the file or the environment, not in SQL: ${reason}`,
    ]);
  });

  it('is named by whom it is for, and refused also where another one overrules it', () => {
    const rows = [
      row('rate_limit.burst', 'x', { region: 'sa' }),
      row('rate_limit.burst', 5, { node: 'edge-1' }),
      row('log_level', 'y', { node: 'edge-1' }),
    ];
    expect(problems(...rows)).toEqual([
      expect.stringContaining('edgeproxy.settings (region sa): rate_limit.burst = "x": expected'),
      expect.stringContaining('edgeproxy.settings (node edge-1): log_level = "y": expected'),
    ]);
  });

  it('for another daemon is none of ours, however bad', () => {
    const rows = [row('nonsense', 'x', { region: 'eu' }), row('rate_limit.burst', 'x', { node: 'edge-2' })];
    expect(readSqlSettings(rows, HERE).size).toBe(0);
  });

  it('that says the same as another one in other letters is refused', () => {
    const rows = [row('log_level', 'info', { region: 'sa' }), row('log_level', 'warn', { region: 'SA' })];
    expect(problems(...rows)).toEqual([
      'edgeproxy.settings (region sa): log_level: expected one row, another one says the same',
    ]);
  });

  it('for a region and a node at once is refused', () => {
    expect(problems(row('log_level', 'info', HERE))).toEqual([
      'edgeproxy.settings (region sa, node edge-1): log_level: expected a region or a node, or none of them: ' +
        'a node is in one region only',
    ]);
  });
});
