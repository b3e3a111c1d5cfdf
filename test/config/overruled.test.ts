import { describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import { readSqlSettings } from '../../src/config/sql-settings.ts';

const FILE = {
  path: 'edge.toml',
  content:
    'connect_attempts = 4\n[geoip.cidrs]\n"10.0.0.0/8" = "BR"\n[admin]\ntoken = "of-the-file-0123456789"\n',
};

const ENV = { EDGEPROXY_IDLE_TIMEOUT_SECS: '60', EDGEPROXY_ADMIN_ENABLED: 'true' };

function warningsOf(values: Readonly<Record<string, unknown>>, node: string | null = null) {
  const rows = Object.entries(values).map(([key, value]) => ({ key, value, region: null, node }));
  return loadSettings(ENV, FILE, readSqlSettings(rows, { region: 'sa', node: 'edge-1' })).warnings;
}

describe('a row of SQL that the file or the environment overrules', () => {
  it('is named with its value, and with who says otherwise', () => {
    expect(warningsOf({ idle_timeout_secs: 30, connect_attempts: 7 })).toEqual([
      'edgeproxy.settings: connect_attempts = 7 has no effect: edge.toml:1: connect_attempts is 4',
      'edgeproxy.settings: idle_timeout_secs = 30 has no effect: EDGEPROXY_IDLE_TIMEOUT_SECS is 60',
    ]);
    expect(warningsOf({ connect_attempts: 7 }, 'edge-1')).toEqual([
      'edgeproxy.settings (node edge-1): connect_attempts = 7 has no effect: edge.toml:1: connect_attempts is 4',
    ]);
  });

  it('is named as a whole where it is a table, and without what is secret', () => {
    expect(
      warningsOf({ 'geoip.cidrs': { '10.1.0.0/16': 'AR' }, 'admin.token': 'hush-hush-hush-hush-hush' }),
    ).toEqual([
      'edgeproxy.settings: admin.token = *** has no effect: edge.toml:5: admin.token is ***',
      'edgeproxy.settings: geoip.cidrs = {"10.1.0.0/16":"AR"} has no effect: edge.toml:2: geoip.cidrs is {"10.0.0.0/8":"BR"}',
    ]);
  });

  it('is not named where it says the same, or is for somebody else', () => {
    expect(warningsOf({ connect_attempts: 4, idle_timeout_secs: 60, half_closed_timeout_secs: 5 })).toEqual(
      [],
    );
    expect(warningsOf({ connect_attempts: 7 }, 'edge-2')).toEqual([]);
  });
});
