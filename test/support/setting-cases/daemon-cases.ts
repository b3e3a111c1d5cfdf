import { link, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, onTestFinished, vi } from 'vitest';
import { Affinity } from '../../../src/proxy/affinity.ts';
import { aDaemon, anEchoBackend, anEchoClient } from '../edge.ts';
import { anOwnDaemon } from '../own-daemon.ts';
import { freePort, once, untilRefused } from '../sockets.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { until } from '../until.ts';
import type { SettingCases } from './cases.ts';

const FOR_EVER = '100000';

async function aBusyDaemon(env: Readonly<Record<string, string>>) {
  const backend = await anEchoBackend();
  const daemon = await anOwnDaemon({ env, backends: [{ id: 'a', port: backend.port }] });
  return { daemon, client: await anEchoClient(daemon.port) };
}

export const DAEMON_CASES: SettingCases = {
  async log_level() {
    const { daemon } = await aBusyDaemon({ EDGEPROXY_LOG_LEVEL: 'info' });
    const connected = () => daemon.logs.filter(({ msg }) => msg === 'client connected to backend');
    expect(connected()).toEqual([]);
    await daemon.change({ env: { EDGEPROXY_LOG_LEVEL: 'debug' } });
    await anEchoClient(daemon.port);
    await until(() => connected().length === 1, { what: 'a line' });
    await daemon.change({ env: { EDGEPROXY_LOG_LEVEL: 'error' } });
    await anEchoClient(daemon.port);
    expect(connected()).toHaveLength(1);
  },

  async shutdown_timeout_secs() {
    const { daemon, client } = await aBusyDaemon({ EDGEPROXY_SHUTDOWN_TIMEOUT_SECS: FOR_EVER });
    const closed = once(client, 'close').catch((error: Error) => error);
    daemon.daemon.stop();
    await daemon.change({ env: { EDGEPROXY_SHUTDOWN_TIMEOUT_SECS: '0' } });
    await closed;
    await daemon.daemon.stopped;
    expect(daemon.logs).toContainEqual(
      expect.objectContaining({ msg: 'closing connections that are left', reason: 'timeout' }),
    );
  },

  async 'metrics.enabled'() {
    const { daemon } = await aBusyDaemon({});
    const { port } = daemon.addresses.metrics!;
    await daemon.change({ env: { EDGEPROXY_METRICS_ENABLED: 'false' } });
    await untilRefused(port);
    await daemon.change({
      env: { EDGEPROXY_METRICS_ENABLED: 'true', EDGEPROXY_METRICS_LISTEN_ADDR: `127.0.0.1:${port}` },
    });
    expect(await daemon.metric('edgeproxy_connections_total')).toBe(1);
  },

  async 'metrics.listen_addr'() {
    const { daemon } = await aBusyDaemon({});
    const port = await freePort();
    await daemon.change({ env: { EDGEPROXY_METRICS_LISTEN_ADDR: `127.0.0.1:${port}` } });
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    await untilRefused(daemon.addresses.metrics!.port);
  },

  async 'admin.enabled'() {
    const { daemon } = await aBusyDaemon({});
    const port = await freePort();
    const env = { EDGEPROXY_ADMIN_ENABLED: 'true', EDGEPROXY_ADMIN_LISTEN_ADDR: `127.0.0.1:${port}` };
    await daemon.change({ env });
    expect((await fetch(`http://127.0.0.1:${port}/inspect`)).status).toBe(200);
    await daemon.change({ env: { EDGEPROXY_ADMIN_ENABLED: 'false' } });
    await untilRefused(port);
  },

  async 'admin.listen_addr'() {
    const { daemon } = await aBusyDaemon({
      EDGEPROXY_ADMIN_ENABLED: 'true',
      EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0',
    });
    const port = await freePort();
    await daemon.change({ env: { EDGEPROXY_ADMIN_LISTEN_ADDR: `127.0.0.1:${port}` } });
    expect((await fetch(`http://127.0.0.1:${port}/inspect`)).status).toBe(200);
    await untilRefused(daemon.addresses.admin!.port);
  },

  async 'config_watch.interval_secs'() {
    const file = (interval: string, attempts: number): string =>
      `connect_attempts = ${attempts}\n[config_watch]\nenabled = true\ninterval_secs = ${interval}\n`;
    const path = join(await temporaryFolder(), 'edgeproxy.toml');
    await writeFile(path, file(FOR_EVER, 3));
    const daemon = await aDaemon({ env: { EDGEPROXY_CONFIG: path } });
    const toBeSaid = (change: string) =>
      until(() => daemon.logs.some(({ changes }) => JSON.stringify(changes)?.includes(change)), {
        what: change,
      });
    // What is written by this name gives no hint in the folder that is watched.
    const elsewhere = join(await temporaryFolder(), 'same.toml');
    await link(path, elsewhere);
    await writeFile(path, file('1', 3));
    await toBeSaid('"config_watch.interval_secs"');
    await writeFile(elsewhere, file('1', 7));
    await toBeSaid('"connect_attempts"');
  },

  async 'binding.gc_interval_secs'() {
    const { daemon } = await aBusyDaemon({ EDGEPROXY_BINDING_GC_INTERVAL_SECS: FOR_EVER });
    const collected = vi.spyOn(Affinity.prototype, 'collectGarbage');
    onTestFinished(() => collected.mockRestore());
    await daemon.change({ env: { EDGEPROXY_BINDING_GC_INTERVAL_SECS: '1' } });
    await until(() => collected.mock.calls.length > 0, { what: 'expired bindings to be removed' });
  },

  async heartbeat_ttl_secs() {
    const { daemon } = await aBusyDaemon({
      EDGEPROXY_API_ENABLED: 'true',
      EDGEPROXY_API_LISTEN_ADDR: '127.0.0.1:0',
      EDGEPROXY_STATE_DIR: await temporaryFolder(),
      EDGEPROXY_HEARTBEAT_TTL_SECS: FOR_EVER,
    });
    const registered = await fetch(`http://127.0.0.1:${daemon.addresses.api!.port}/api/v1/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id: 'silent', app: 'x', region: 'sa', ip: '127.0.0.1', port: 1 }),
    });
    expect(registered.status).toBe(201);
    await daemon.change({ env: { EDGEPROXY_HEARTBEAT_TTL_SECS: '1' } });
    const expired = { msg: 'registration changed', change: 'expired', backend: 'silent' };
    await until(() => daemon.logs.some((line) => isDeepStrictEqual({ ...line, ...expired }, line)), {
      what: 'a silent backend to be taken out',
    });
  },
};
