import { rehearse } from '../adapters/postgres/rehearse.ts';
import { readTokenFile } from '../adapters/file/token-file.ts';
import type { Environment } from '../config/environment.ts';
import type { LoadedSettings } from '../config/load.ts';
import { nameOf, naming } from '../config/origin.ts';
import type { PlanCandidate } from '../config/plan.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';
import { adminListenerOf, type TokenPlace } from './admin-listener.ts';
import { inSession } from './postgres-session.ts';
import { readEffective, readSettingsFile } from './settings.ts';

export interface PlanOptions {
  /** The file that might take the place of the daemon's. */
  readonly config: string | undefined;
  /** A statement that might be run. */
  readonly statement: string | undefined;
}

const ANSWER_TIMEOUT_MS = 30_000;

/** Where the file that is at hand has other words for the admin listener than the daemon goes by. */
const HOW_TO_FIND =
  'give where the running daemon has it, by EDGEPROXY_CONFIG=FILE with the file that it goes by, or by ' +
  'EDGEPROXY_ADMIN_ENABLED=true and EDGEPROXY_ADMIN_LISTEN_ADDR=ADDRESS:PORT';

/**
 * Asks a running daemon what it would do with another file, or after a statement; nothing is done, and the statement
 * is taken back. Rejects with `ERR_SETTINGS_INVALID` for what would be refused, with `ERR_POSTGRES` for what the
 * database refuses, and with `ERR_ADMIN` where no daemon answers.
 */
export async function plan({ config, statement }: PlanOptions, env: Environment): Promise<string> {
  // The daemon's own settings say where it is; those of the candidate where nothing else does.
  const ownPath = env['EDGEPROXY_CONFIG'] === undefined ? config : undefined;
  const { configuration, notes } = await readEffective(env, ownPath, 'as a start');
  const { inForce, origins } = configuration;
  const listener = await naming(origins, () =>
    adminListenerOf(inForce, `answers what would change; ${HOW_TO_FIND}`),
  );
  const token = await naming(origins, () => tokenFrom(listener.token));
  const rows = statement === undefined ? {} : await rowsAfter(statement, { settings: inForce, origins });
  const file = config === undefined ? undefined : await readSettingsFile(config, false);
  const place = [nameOf('admin.listen_addr', origins), ...notes].join(', ');
  return ask({ origin: listener.origin, place, token }, { ...rows, file });
}

function rowsAfter(statement: string, loaded: Pick<LoadedSettings, 'settings' | 'origins'>) {
  return inSession(loaded, 'edgeproxy plan', (client) => rehearse(client, statement));
}

/** Where to ask. */
interface Asked {
  readonly origin: string;
  /** What gives the address. */
  readonly place: string;
  readonly token: string | undefined;
}

async function ask(asked: Asked, candidate: PlanCandidate): Promise<string> {
  const { origin } = asked;
  const answer = await send(asked, JSON.stringify(candidate));
  const text = (await answer.text()).trimEnd();
  if (answer.status === 200) return text;
  if (answer.status === 422) throw new EdgeProxyError('ERR_SETTINGS_INVALID', text);
  throw new EdgeProxyError('ERR_ADMIN', `${origin} answers with ${answer.status}: ${text}`);
}

async function send({ origin, place, token }: Asked, body: string): Promise<Response> {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  try {
    return await fetch(`${origin}/admin/v1/plan`, {
      method: 'POST',
      headers: { accept: 'text/plain', 'content-type': 'application/json', ...authorization },
      body,
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
  } catch (error) {
    const reason = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new EdgeProxyError(
      'ERR_ADMIN',
      `${origin}, by ${place}: no daemon answers there (${messageOf(reason)}); ${HOW_TO_FIND}`,
      { cause: error },
    );
  }
}

async function tokenFrom(place: TokenPlace): Promise<string | undefined> {
  if (place.in === 'none') return undefined;
  return place.in === 'settings' ? place.token : readTokenFile(place.setting, place.path);
}
