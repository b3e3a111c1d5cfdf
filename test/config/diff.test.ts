import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../../src/config/catalogue.ts';
import { changeBetween, diffSettings } from '../../src/config/diff.ts';
import { loadSettings, valueOf } from '../../src/config/load.ts';

const load = (content: string) => loadSettings({}, { path: 'edge.toml', content }).settings;

describe('diffSettings', () => {
  it('names what differs with both values, in the order of the schema', () => {
    const old = load('region = "eu"\n[rate_limit]\nburst = 5\n');
    const next = load('log_level = "warn"\n[rate_limit]\nburst = 6\n[geoip.cidrs]\n"10.0.0.0/8" = "BR"\n');
    expect(diffSettings(old, next).map(({ key, old: was, new: is }) => [key, was, is])).toEqual([
      ['region', 'eu', 'sa'],
      ['log_level', 'info', 'warn'],
      ['geoip.cidrs', {}, { '10.0.0.0/8': 'BR' }],
      ['rate_limit.burst', 5, 6],
    ]);
  });

  it('compares by value, whatever the order within a table', () => {
    const one = load('[geoip.cidrs]\n"10.0.0.0/8" = "BR"\n"11.0.0.0/8" = "US"\n');
    const other = load('[geoip.cidrs]\n"11.0.0.0/8" = "US"\n"10.0.0.0/8" = "BR"\n');
    expect(diffSettings(one, other)).toEqual([]);
  });

  it('says which values are secret', () => {
    const [change] = diffSettings(load(''), load('[admin]\ntoken = "abcdefghijklmnopqrstuvwxyz"\n'));
    expect(change).toMatchObject({ key: 'admin.token', old: undefined, secret: true });
  });
});

describe('changeBetween', () => {
  it('has the admin listener wait for the restart that its new token needs', () => {
    const next = load('[admin]\nenabled = true\ntoken = "abcdefghijklmnopqrstuvwxyz"\n');
    const { settings, changes, needsRestart } = changeBetween(load(''), next);
    expect(settings.admin).toEqual(load('').admin);
    expect(changes).toEqual([]);
    expect(needsRestart.map(({ key }) => key)).toEqual(['admin.enabled', 'admin.token']);
  });

  it('takes over what is reloadable, and keeps the running value of what needs a restart', () => {
    const running = load('[metrics]\npath = "/old"\n');
    const next = load('connect_attempts = 7\nthreads = 3\n[metrics]\npath = "/new"\n');
    const { settings, changes, needsRestart } = changeBetween(running, next);
    expect(settings).toEqual({ ...running, connect_attempts: 7 });
    expect(changes.map(({ key }) => key)).toEqual(['connect_attempts']);
    expect(needsRestart.map(({ key }) => key)).toEqual(['threads', 'metrics.path']);
  });

  it('leaves nothing but what needs a restart between the new one and the one in force', () => {
    const value = fc.constantFrom('1', '7', 'true', 'eu', '/x', 'tcp', 'http', 'warn', '10.0.0.1:8');
    const env = fc.dictionary(fc.constantFrom(...SETTINGS.flatMap((setting) => setting.env ?? [])), value);
    fc.assert(
      fc.property(env, env, (one, other) => {
        const [running, next] = [orDefaults(one), orDefaults(other)];
        const { settings, changes, needsRestart } = changeBetween(running, next);
        const keysOf = (all: typeof changes) => all.map(({ key }) => key);
        expect(keysOf(diffSettings(settings, next))).toEqual(keysOf(needsRestart));
        expect(diffSettings(running, settings)).toEqual(changes);
        for (const { key } of needsRestart) expect(valueOf(settings, key)).toEqual(valueOf(running, key));
      }),
    );
  });
});

/** Each variable that is accepted by itself. */
function orDefaults(env: Readonly<Record<string, string>>) {
  const good = Object.entries(env).filter(([name, text]) => isAccepted({ [name]: text }));
  return loadSettings(Object.fromEntries(good)).settings;
}

function isAccepted(env: Readonly<Record<string, string>>): boolean {
  try {
    loadSettings({ ...env, EDGEPROXY_POSTGRES_URL: 'postgres://h/d' });
    return Object.keys(env).every((name) => !name.startsWith('EDGEPROXY_POSTGRES_'));
  } catch {
    return false;
  }
}
