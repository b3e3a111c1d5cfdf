import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../../src/config/catalogue.ts';
import { ENVIRONMENT_NAMES } from '../../src/config/environment.ts';
import { loadSettings, valueOf } from '../../src/config/load.ts';
import { runCli } from '../support/daemon.ts';
import { pathFromRoot } from '../support/markdown.ts';

describe('examples/edgeproxy.toml', () => {
  const path = pathFromRoot('examples/edgeproxy.toml');
  const content = readFileSync(path, 'utf8');

  it('passes `edgeproxy check`', async () => {
    const { code, stdout, stderr } = await runCli(['check', '--config', path]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^backends +\(2 entries\) +.*edgeproxy\.toml:\d+$/m);
  });

  it('names every key, those without a default in a comment', () => {
    // A commented key or table is one that ends its line, as in `# url = "postgres://…"`.
    const uncommented = content.replaceAll(/^# ((?:"\*"|\w+) = ".*"|\[+[\w.]+\]+)$/gm, '$1');
    // A file that holds a token instead of the key beside it cannot be given with it.
    const loadable = uncommented.replaceAll(/^\w+_file = .*$/gm, '');
    const { settings } = loadSettings({}, { path, content: loadable });
    const tree = parse(uncommented);
    const missing = SETTINGS.filter(
      ({ key }) => key.split('.').reduce<unknown>(childOf, tree) === undefined,
    ).map(({ key }) => key);
    expect(missing).toEqual([]);
    expect(settings.geoip.regions).toEqual({ BR: 'sa', US: 'us', '*': 'us' });
  });

  it('gives every key with a default just that', () => {
    const { settings } = loadSettings({}, { path, content });
    const wrong = SETTINGS.filter(({ type, standard }) => type !== 'table' && standard !== undefined).filter(
      ({ key, standard }) => !isDeepStrictEqual(valueOf(settings, key), standard),
    );
    expect(wrong.map(({ key }) => key)).toEqual([]);
  });
});

describe('examples/systemd/edgeproxy.service', () => {
  const unit = readFileSync(pathFromRoot('examples/systemd/edgeproxy.service'), 'utf8');
  const valueOfLine = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1];

  it('starts Node itself, so that SIGTERM reaches the daemon', () => {
    expect(valueOfLine('ExecStart')).toMatch(/^\S+\/node \S+\/bin\/edgeproxy\.js run --config \S+$/);
  });

  it('waits longer for the end than live connections get by default', () => {
    const { standard } = SETTINGS.find(({ env }) => env === 'EDGEPROXY_SHUTDOWN_TIMEOUT_SECS')!;
    expect(Number(valueOfLine('TimeoutStopSec'))).toBeGreaterThan(Number(standard) + 1);
  });

  it('does not start again what the settings forbid', () => {
    expect(valueOfLine('RestartPreventExitStatus')).toBe('2');
  });

  it('keeps state where systemd puts it', () => {
    expect(unit).toContain(`Environment=EDGEPROXY_STATE_DIR=%S/${valueOfLine('StateDirectory')}\n`);
  });

  it('names only variables that exist', () => {
    const named = unit.match(/EDGEPROXY_\w+/g) ?? [];
    expect(named.filter((name) => !ENVIRONMENT_NAMES.includes(name))).toEqual([]);
  });
});

function childOf(node: unknown, name: string): unknown {
  return typeof node === 'object' && node !== null ? Reflect.get(node, name) : undefined;
}
