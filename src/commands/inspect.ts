import { keptTokenPath } from '../adapters/file/kept-token.ts';
import { defaultStateDir } from '../adapters/file/state-dir.ts';
import { isLoopback } from '../adapters/http/request-guard.ts';
import type { Environment } from '../config/environment.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import { normalizeAddress, parseAddress } from '../domain/address.ts';
import { EdgeProxyError } from '../errors.ts';
import { readEffective } from './settings.ts';

/** Where a listener on this address is reached from its own machine: any address is every one of them. */
function reachable(host: string): string {
  const address = parseAddress(host);
  if (address === undefined || Number(address.value) !== 0) return normalizeAddress(host);
  return address.family === 4 ? '127.0.0.1' : '::1';
}

/** Where a daemon with these settings shows its live statecharts. */
export async function inspect(configPath: string | undefined, env: Environment): Promise<string> {
  const { admin, state_dir: stateDir } = (await readEffective(env, configPath)).configuration.inForce;
  if (!admin.enabled) {
    throw new EdgeProxyError(
      'ERR_SETTINGS_INVALID',
      'EDGEPROXY_ADMIN_ENABLED = false: expected true, the admin listener serves the page',
    );
  }
  const { host, port } = parseListenAddress(admin.listen_addr)!;
  const name = reachable(host);
  const url = `http://${name.includes(':') ? `[${name}]` : name}:${port}/inspect`;
  if (admin.token !== undefined) return `${url}#token=TOKEN\nTOKEN is that of EDGEPROXY_ADMIN_TOKEN.`;
  if (admin.token_file !== undefined) return `${url}#token=TOKEN\nTOKEN is in ${admin.token_file}.`;
  if (isLoopback(host)) return url;
  const path = keptTokenPath(stateDir ?? defaultStateDir(), 'admin');
  return stateDir === undefined
    ? `${url}#token=TOKEN\nTOKEN is in ${path}, if the daemon runs as this user; its log names the file as "admin token".`
    : `${url}#token=TOKEN\nTOKEN is in ${path}.`;
}
