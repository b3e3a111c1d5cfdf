import type { Environment } from '../config/environment.ts';
import { adminListenerOf } from './admin-listener.ts';
import { readEffective } from './settings.ts';

/** Where a daemon with these settings shows its live statecharts. */
export async function inspect(configPath: string | undefined, env: Environment): Promise<string> {
  const { configuration } = await readEffective(env, configPath);
  const { origin, token } = adminListenerOf(configuration.inForce, 'serves the page');
  const url = `${origin}/inspect`;
  if (token.in === 'settings') return `${url}#token=TOKEN\nTOKEN is that of EDGEPROXY_ADMIN_TOKEN.`;
  if (token.in === 'none') return url;
  return token.isSure
    ? `${url}#token=TOKEN\nTOKEN is in ${token.path}.`
    : `${url}#token=TOKEN\nTOKEN is in ${token.path}, if the daemon runs as this user; its log names the file as "admin token".`;
}
