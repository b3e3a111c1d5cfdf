import { aClient } from '../edge.ts';
import { anOwnDaemon, type OwnDaemon } from '../own-daemon.ts';
import { TLS_ON } from '../tls.ts';
import { until } from '../until.ts';
import type { SettingCases } from './cases.ts';

/** A daemon with a TLS listener, and a client there that says nothing. */
async function aDaemonThatWaits(): Promise<OwnDaemon> {
  const daemon = await anOwnDaemon({ env: { ...TLS_ON, EDGEPROXY_TLS_SELF_SIGNED: 'true' } });
  await aClient(daemon.addresses.tls!.port);
  await untilIs(daemon, 'edgeproxy_tls_handshakes_active', 1);
  return daemon;
}

async function untilIs(daemon: OwnDaemon, series: string, value: number): Promise<void> {
  await until(async () => (await daemon.metric(series)) === value, { what: `${series} to be ${value}` });
}

export const TLS_CASES: SettingCases = {
  async 'tls.handshake_timeout_secs'() {
    const daemon = await aDaemonThatWaits();
    await daemon.change({ env: { EDGEPROXY_TLS_HANDSHAKE_TIMEOUT_SECS: '1' } });
    await untilIs(daemon, 'edgeproxy_tls_handshake_failures_total{reason="timeout"}', 1);
    await untilIs(daemon, 'edgeproxy_tls_handshakes_active', 0);
  },

  async 'tls.max_handshakes'() {
    const daemon = await aDaemonThatWaits();
    await daemon.change({ env: { EDGEPROXY_TLS_MAX_HANDSHAKES: '1' } });
    await aClient(daemon.addresses.tls!.port);
    await untilIs(daemon, 'edgeproxy_connections_refused_total{reason="max_handshakes"}', 1);
    await untilIs(daemon, 'edgeproxy_connections_active', 1);
  },
};
