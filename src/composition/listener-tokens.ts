import { loadKeptToken, type TokenOwner } from '../adapters/file/kept-token.ts';
import { defaultStateDir } from '../adapters/file/state-dir.ts';
import { readTokenFile } from '../adapters/file/token-file.ts';
import { isLoopback } from '../adapters/http/request-guard.ts';
import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type { RoleToken } from '../domain/access.ts';
import type { Logger } from '../domain/ports.ts';
import { EdgeProxyError } from '../errors.ts';

/** Gives the token of a listener for which none is set. */
export type TokenKeeper = (owner: TokenOwner) => Promise<string>;

/** Keeps tokens in the state folder; one that is not there is made. */
export function tokensOfStateDir(settings: Settings, logger: Logger): TokenKeeper {
  return async (owner) => {
    const { token, path, isNew } = await loadKeptToken(settings.state_dir ?? defaultStateDir(), owner);
    logger.info({ path, isNew }, `${owner} token`);
    return token;
  };
}

/** For who only looks: no token is made. */
export const nobody: TokenKeeper = () => Promise.resolve('');

/** Reads the token files that the listeners of these settings read, and fails as they do. Makes no token. */
export async function checkTokens(settings: Settings): Promise<void> {
  if (settings.admin.enabled) await adminTokens(settings, nobody);
  if (settings.metrics.enabled) await metricsTokens(settings, nobody);
  if (settings.api.enabled) await apiTokens(settings, nobody);
}

/**
 * The tokens of the admin listener: those of the settings, and, on an address that other machines reach or beside one
 * that may only look, the one in the state folder, which is made at the first start. None on a loopback address means
 * that none is asked for.
 */
export async function adminTokens(settings: Settings, keeper: TokenKeeper): Promise<readonly RoleToken[]> {
  const { admin } = settings;
  const given = await adminToken(settings);
  const read = admin.read_token ?? (await fromFile('admin.read_token_file', admin.read_token_file));
  if ((given ?? read) === undefined && isLoopback(parseListenAddress(admin.listen_addr)!.host)) return [];
  const token = given ?? (await keeper('admin'));
  refuseShared('admin.read_token', read, [token]);
  return [...(read === undefined ? [] : [{ role: 'read', token: read } as const]), { role: 'admin', token }];
}

/**
 * The tokens of the metrics listener: none is asked for unless one is set, or the settings demand one where other
 * machines reach it. That of the admin listener will do, too, where it is set.
 */
export async function metricsTokens(settings: Settings, keeper: TokenKeeper): Promise<readonly RoleToken[]> {
  const { metrics } = settings;
  const given = metrics.token ?? (await fromFile('metrics.token_file', metrics.token_file));
  const isLocal = isLoopback(parseListenAddress(metrics.listen_addr)!.host);
  if (given === undefined && (isLocal || !metrics.token_required)) return [];
  const token = given ?? (await keeper('metrics'));
  const admin = await adminToken(settings);
  return [
    { role: 'read', token },
    ...(admin === undefined ? [] : [{ role: 'admin', token: admin } as const]),
  ];
}

/**
 * The tokens of the registration API, by the same rule: whoever registers needs one as soon as other machines reach
 * the listener or any token of the API is set. That of the admin listener may do everything here too, where it is set.
 */
export async function apiTokens(settings: Settings, keeper: TokenKeeper): Promise<readonly RoleToken[]> {
  const { api } = settings;
  const read = api.read_token ?? (await fromFile('api.read_token_file', api.read_token_file));
  const given = api.token ?? (await fromFile('api.token_file', api.token_file));
  const isOpen = isLoopback(parseListenAddress(api.listen_addr)!.host) && (read ?? given) === undefined;
  if (isOpen) return [];
  const register = given ?? (await keeper('api'));
  const admin = await adminToken(settings);
  refuseShared('api.read_token', read, [register, admin]);
  return [
    ...(read === undefined ? [] : [{ role: 'read', token: read } as const]),
    { role: 'register', token: register },
    ...(admin === undefined ? [] : [{ role: 'admin', token: admin } as const]),
  ];
}

async function adminToken({ admin }: Settings): Promise<string | undefined> {
  return admin.token ?? (await fromFile('admin.token_file', admin.token_file));
}

function refuseShared(
  setting: string,
  token: string | undefined,
  others: readonly (string | undefined)[],
): void {
  if (token === undefined || !others.includes(token)) return;
  throw new EdgeProxyError(
    'ERR_SETTINGS_INVALID',
    `${setting} = ***: expected another token than that of a role that may do more`,
    { setting },
  );
}

async function fromFile(setting: string, path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : readTokenFile(setting, path);
}
