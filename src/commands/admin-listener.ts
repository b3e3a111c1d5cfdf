import { keptTokenPath } from '../adapters/file/kept-token.ts';
import { defaultStateDir } from '../adapters/file/state-dir.ts';
import { isLoopback } from '../adapters/http/request-guard.ts';
import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import { normalizeAddress, parseAddress } from '../domain/address.ts';
import { EdgeProxyError } from '../errors.ts';

/** Where the token of an admin listener is to be found. */
export type TokenPlace =
  | { readonly in: 'settings'; readonly token: string }
  /** `isSure` unless the daemon may run as another user, with another state folder. */
  | { readonly in: 'file'; readonly setting: string; readonly path: string; readonly isSure: boolean }
  /** None is asked for. */
  | { readonly in: 'none' };

export interface AdminListener {
  /** Without a path, such as `http://127.0.0.1:8082`. */
  readonly origin: string;
  readonly token: TokenPlace;
}

/** The admin listener of a daemon with these settings, from its own machine. @param use goes on after "the admin listener" */
export function adminListenerOf({ admin, state_dir: stateDir }: Settings, use: string): AdminListener {
  if (!admin.enabled) {
    throw new EdgeProxyError(
      'ERR_SETTINGS_INVALID',
      `admin.enabled = false: expected true, the admin listener ${use}`,
      { setting: 'admin.enabled' },
    );
  }
  const { host, port } = parseListenAddress(admin.listen_addr)!;
  const name = reachable(host);
  return {
    origin: `http://${name.includes(':') ? `[${name}]` : name}:${port}`,
    token: tokenPlace(admin, host, stateDir),
  };
}

function tokenPlace(admin: Settings['admin'], host: string, stateDir: string | undefined): TokenPlace {
  if (admin.token !== undefined) return { in: 'settings', token: admin.token };
  const file = { in: 'file', isSure: true } as const;
  if (admin.token_file !== undefined) return { ...file, setting: 'admin.token_file', path: admin.token_file };
  const mayOnlyLook = admin.read_token ?? admin.read_token_file;
  if (isLoopback(host) && mayOnlyLook === undefined) return { in: 'none' };
  return {
    in: 'file',
    setting: 'state_dir',
    path: keptTokenPath(stateDir ?? defaultStateDir(), 'admin'),
    isSure: stateDir !== undefined,
  };
}

/** Where a listener on this address is reached from its own machine: any address is every one of them. */
function reachable(host: string): string {
  const address = parseAddress(host);
  if (address === undefined || Number(address.value) !== 0) return normalizeAddress(host);
  return address.family === 4 ? '127.0.0.1' : '::1';
}
