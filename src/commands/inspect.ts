import { isLoopback } from '../adapters/http/admin-guard.ts';
import type { Environment } from '../config/environment.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import { EdgeProxyError } from '../errors.ts';
import { readSettings } from './settings.ts';

const ANY_ADDRESS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** Where a daemon with these settings shows its live statecharts. */
export async function inspect(configPath: string | undefined, env: Environment): Promise<string> {
  const { admin } = (await readSettings(env, configPath)).settings;
  if (!admin.enabled) {
    throw new EdgeProxyError(
      'ERR_SETTINGS_INVALID',
      'EDGEPROXY_ADMIN_ENABLED = false: expected true, the admin listener serves the page',
    );
  }
  const { host, port } = parseListenAddress(admin.listen_addr)!;
  const reachable = ANY_ADDRESS[host] ?? host;
  const url = `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}/inspect`;
  if (admin.token === undefined && isLoopback(host)) return url;
  const source =
    admin.token === undefined ? 'the file that the daemon logs as "admin token"' : 'EDGEPROXY_ADMIN_TOKEN';
  return `${url}#token=TOKEN\nTOKEN is that of ${source}.`;
}
