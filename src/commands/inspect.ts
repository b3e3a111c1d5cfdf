import type { Environment } from '../config/environment.ts';
import { nameOf, naming } from '../config/origin.ts';
import { adminListenerOf } from './admin-listener.ts';
import { readEffective } from './settings.ts';

/** Where a daemon with these settings shows its live statecharts. */
export async function inspect(configPath: string | undefined, env: Environment): Promise<string> {
  const { configuration } = await readEffective(env, configPath, 'as a start');
  const { inForce, origins } = configuration;
  const { origin, token } = await naming(origins, () => adminListenerOf(inForce, 'serves the page'));
  const url = `${origin}/inspect`;
  if (token.in === 'settings')
    return `${url}#token=TOKEN\nTOKEN is that of ${nameOf('admin.token', origins)}.`;
  if (token.in === 'none') return url;
  return token.isSure
    ? `${url}#token=TOKEN\nTOKEN is in ${token.path}.`
    : `${url}#token=TOKEN\nTOKEN is in ${token.path}, if the daemon runs as this user; its log names the file as "admin token".`;
}
