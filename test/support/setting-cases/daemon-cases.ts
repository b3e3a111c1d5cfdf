import { expect, onTestFinished, vi } from 'vitest';
import { Affinity } from '../../../src/proxy/affinity.ts';
import { anEchoBackend, anEchoClient } from '../edge.ts';
import { anOwnDaemon } from '../own-daemon.ts';
import { once } from '../sockets.ts';
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
    expect(connected()).toHaveLength(1);
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

  async 'binding.gc_interval_secs'() {
    const { daemon } = await aBusyDaemon({ EDGEPROXY_BINDING_GC_INTERVAL_SECS: FOR_EVER });
    const collected = vi.spyOn(Affinity.prototype, 'collectGarbage');
    onTestFinished(() => collected.mockRestore());
    await daemon.change({ env: { EDGEPROXY_BINDING_GC_INTERVAL_SECS: '1' } });
    await until(() => collected.mock.calls.length > 0, { what: 'expired bindings to be removed' });
  },
};
