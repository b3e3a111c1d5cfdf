import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DaemonProcess, Env } from '../support/daemon.ts';
import { aDaemon } from '../support/edge.ts';
import { makeConfigMap, publishConfigMap, REPLACEMENTS } from '../support/file-replacement.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

/** A poll within no test: what is seen was hinted at. */
const WATCHED = { EDGEPROXY_CONFIG_WATCH_ENABLED: 'true', EDGEPROXY_CONFIG_WATCH_INTERVAL_SECS: '3600' };

const burst = (count: number): string => `[rate_limit]\nburst = ${count}\n`;

/** A daemon on a configuration file. */
async function aFollower(content: string, env: Env = WATCHED) {
  const path = join(await temporaryFolder(), 'edgeproxy.toml');
  await writeFile(path, content);
  return { path, daemon: await aDaemon({ env: { EDGEPROXY_CONFIG: path, ...env } }) };
}

const reloads = (daemon: DaemonProcess, result: string) =>
  daemon.metric(`edgeproxy_config_reloads_total{result="${result}"}`);

/** The changes that a daemon has told of, a text each. */
const changesOf = ({ logs }: DaemonProcess): readonly string[] =>
  logs
    .filter(({ msg }) => msg === 'configuration changed')
    .flatMap(
      (line) => line['changes'] as { readonly key: string; readonly old: string; readonly new: string }[],
    )
    .map(({ key, old, new: wanted }) => `${key} ${old} ${wanted}`);

const untilChanges = (daemon: DaemonProcess, count: number) =>
  until(() => changesOf(daemon).length >= count, { what: `${count} changes` });

describe('a daemon that watches its file', () => {
  it('takes a change, refuses a bad file once and in full, and takes the next good one', async () => {
    const { path, daemon } = await aFollower(burst(5));
    const before = await daemon.metric('edgeproxy_config_last_reload_success_timestamp_seconds');
    await writeFile(path, burst(6));
    await untilChanges(daemon, 1);
    await writeFile(path, 'log_levl = "x"\n[rate_limit]\nburst = 0\n');
    const refused = await daemon.log('configuration refused, the last good one stays');
    expect(refused).toMatchObject({
      level: 'error',
      source: 'file',
      problems: expect.arrayContaining([
        `${path}:1: log_levl: no such key, did you mean log_level?`,
        `${path}:3: rate_limit.burst = 0: expected a whole number from 1 to 2147483`,
      ]),
    });
    await writeFile(path, burst(7));
    await untilChanges(daemon, 2);
    expect(changesOf(daemon)).toEqual(['rate_limit.burst 5 6', 'rate_limit.burst 6 7']);
    expect(daemon.logs.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect([await reloads(daemon, 'applied'), await reloads(daemon, 'refused')]).toEqual([2, 1]);
    const after = await daemon.metric('edgeproxy_config_last_reload_success_timestamp_seconds');
    expect(after).toBeGreaterThan(before!);
  });

  it.each(Object.entries(REPLACEMENTS))('sees a file that is %s', async (_, replace) => {
    const { path, daemon } = await aFollower(burst(5));
    await replace(path, burst(6));
    await untilChanges(daemon, 1);
    await replace(path, burst(5));
    await untilChanges(daemon, 2);
    expect(changesOf(daemon)).toEqual(['rate_limit.burst 5 6', 'rate_limit.burst 6 5']);
    expect(await reloads(daemon, 'applied')).toBe(2);
    expect(daemon.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('sees a ConfigMap that is swapped', async () => {
    const path = join(await temporaryFolder(), 'edgeproxy.toml');
    await makeConfigMap(path, burst(5));
    const daemon = await aDaemon({ env: WATCHED, args: ['--config', path] });
    await publishConfigMap(path, burst(6));
    await untilChanges(daemon, 1);
    await publishConfigMap(path, burst(7));
    await untilChanges(daemon, 2);
    expect(changesOf(daemon)).toEqual(['rate_limit.burst 5 6', 'rate_limit.burst 6 7']);
  });

  it('keeps the last good one while the file is gone, and takes the one that comes', async () => {
    const { path, daemon } = await aFollower(burst(5));
    await rm(path);
    const warned = await daemon.log('configuration cannot be read, the last good one stays');
    expect(warned).toMatchObject({ level: 'warn', error: expect.stringContaining(path) });
    await writeFile(path, burst(6));
    await untilChanges(daemon, 1);
    expect(await reloads(daemon, 'refused')).toBe(1);
  });

  it('names what needs a restart, once, and applies the rest', async () => {
    const { path, daemon } = await aFollower(burst(5));
    const restarts = (): readonly unknown[] =>
      daemon.logs.filter(({ msg }) => msg === 'settings that need a restart to take effect');
    await writeFile(path, `region = "eu"\n${burst(6)}`);
    await untilChanges(daemon, 1);
    await writeFile(path, `region = "eu"\n${burst(7)}`);
    await untilChanges(daemon, 2);
    expect(restarts()).toMatchObject([
      { level: 'warn', settings: [{ key: 'region', old: 'sa', new: 'eu' }] },
    ]);
  });

  it('warns of what has no effect when it comes', async () => {
    const { path, daemon } = await aFollower('max_connections = 10\n');
    await writeFile(path, 'max_connections = 10\nmax_connections_per_client = 20\n');
    const warned = await daemon.log('a setting has no effect');
    expect(warned['problem']).toContain('max_connections_per_client = 20 has no effect beside');
  });
});

describe('SIGHUP', () => {
  it('has a daemon read its file that does not watch it', async () => {
    const { path, daemon } = await aFollower(burst(5), {});
    await writeFile(path, burst(6));
    daemon.child.kill('SIGHUP');
    await untilChanges(daemon, 1);
    daemon.child.kill('SIGHUP');
    await daemon.log('configuration read, nothing has changed');
    await writeFile(path, 'x');
    daemon.child.kill('SIGHUP');
    await daemon.log('configuration refused, the last good one stays');
    await rm(path);
    daemon.child.kill('SIGHUP');
    await daemon.log('configuration cannot be read, the last good one stays');
    expect(changesOf(daemon)).toEqual(['rate_limit.burst 5 6']);
    expect(await Promise.all(['applied', 'unchanged', 'refused'].map((one) => reloads(daemon, one)))).toEqual(
      [1, 1, 2],
    );
  });

  it('is said to do nothing where there is no file', async () => {
    const daemon = await aDaemon();
    daemon.child.kill('SIGHUP');
    expect(
      await daemon.log('nothing to reload: no --config, no EDGEPROXY_CONFIG, and no database'),
    ).toMatchObject({
      level: 'warn',
    });
  });
});

describe('GET /admin/v1/config', () => {
  it('shows each value with its origin, what is pending, and no secret', async () => {
    const token = 'hush-hush-hush-hush-hush';
    const { path, daemon } = await aFollower(burst(5), {
      ...WATCHED,
      EDGEPROXY_ADMIN_ENABLED: 'true',
      EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0',
      EDGEPROXY_ADMIN_TOKEN: token,
      EDGEPROXY_NODE: 'Edge-1',
    });
    await writeFile(path, `region = "eu"\n${burst(6)}`);
    await untilChanges(daemon, 1);
    const { admin } = (await daemon.log('accepting clients')) as unknown as {
      readonly admin: { readonly port: number };
    };
    const url = `http://127.0.0.1:${admin.port}/admin/v1/config`;
    expect((await fetch(url)).status).toBe(401);
    const text = await (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).text();
    expect(text).not.toContain(token);
    const shown = JSON.parse(text) as { readonly settings: readonly { readonly key: string }[] };
    expect(shown).toMatchObject({
      region: 'sa',
      node: 'edge-1',
      pending: [{ key: 'region', value: 'sa', wanted: 'eu', reason: 'restart' }],
    });
    const settingOf = (key: string) => shown.settings.find((one) => one.key === key);
    expect(settingOf('rate_limit.burst')).toEqual({
      key: 'rate_limit.burst',
      value: 6,
      reload: true,
      origin: { from: 'file', path, line: 3 },
    });
    expect(settingOf('region')).toMatchObject({ value: 'sa', reload: false, origin: { from: 'default' } });
    expect(settingOf('admin.token')).toMatchObject({
      value: '***',
      origin: { from: 'env', name: 'EDGEPROXY_ADMIN_TOKEN' },
    });
    expect(settingOf('postgres.url')).toMatchObject({ value: null });
    expect(settingOf('binding.ttl_secs')).toMatchObject({ value: 600, unit: 's' });
  });
});
