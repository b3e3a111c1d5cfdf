import type { Environment } from '../config/environment.ts';
import { nameOf, naming } from '../config/origin.ts';
import { adminListenerOf, type TokenPlace } from './admin-listener.ts';
import { readEffective } from './settings.ts';

/** Where a daemon with these settings shows its live statecharts. */
export async function inspect(configPath: string | undefined, env: Environment): Promise<string> {
  const { configuration, notes } = await readEffective(env, configPath, 'as a start');
  const { inForce, origins } = configuration;
  const { origin, token } = await naming(origins, () => adminListenerOf(inForce, 'serves the page'));
  const url = `${origin}/inspect`;
  const lines =
    token.in === 'none'
      ? [url]
      : [`${url}#token=TOKEN`, `TOKEN is ${placeOf(token, nameOf('admin.token', origins))}.`];
  return [...lines, ...notes].join('\n');
}

function placeOf(token: Exclude<TokenPlace, { readonly in: 'none' }>, setting: string): string {
  if (token.in === 'settings') return `that of ${setting}`;
  if (token.isSure) return `in ${token.path}`;
  return `in ${token.path}, if the daemon runs as this user; its log names the file as "admin token"`;
}
