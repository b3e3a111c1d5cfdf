import { drawMachine } from '../adapters/charts/machine-drawing.ts';
import { machineJsonOf } from '../adapters/charts/studio-json.ts';
import type { GuardedRoute } from '../adapters/http/guarded-app.ts';
import { type GuardedServer, startGuardedServer } from '../adapters/http/guarded-server.ts';
import { inspectRoutes, STATELY_INSPECTOR_URL } from '../adapters/http/inspect-routes.ts';
import { createInspector, type LiveActors } from '../adapters/inspect/inspector.ts';
import { sanitize } from '../adapters/inspect/sanitize.ts';
import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type { Logger } from '../domain/ports.ts';
import { addressLimiter } from './address-limiter.ts';
import { adminTokens, tokensOfStateDir } from './listener-tokens.ts';
import { systemNow } from './system-clock.ts';

/** Actors shown to one looker at most; a pattern chooses among more. */
const MAX_ACTORS = 100;

/**
 * Starts the admin listener; on an address that is not loopback, with the token of the settings or one that is kept.
 *
 * @param routes what it serves beside the inspection
 */
export async function startAdmin(
  settings: Settings,
  actors: LiveActors,
  logger: Logger,
  routes: readonly GuardedRoute[] = [],
): Promise<GuardedServer> {
  const closing = new AbortController();
  const inspector = createInspector({
    actors,
    draw: (machine) => drawMachine(machine, { signal: closing.signal }),
    describe: (machine) => JSON.stringify(machineJsonOf(machine, sanitize)),
    maxActors: MAX_ACTORS,
    wallClock: () => Date.now(),
  });
  const server = await startGuardedServer({
    name: 'admin',
    address: parseListenAddress(settings.admin.listen_addr)!,
    addressSetting: 'admin.listen_addr',
    tokens: await adminTokens(settings, tokensOfStateDir(settings, logger)),
    hosts: { names: settings.admin.hosts, advice: 'EDGEPROXY_ADMIN_HOSTS adds others' },
    errors: { jsonUnder: '/admin/' },
    admit: addressLimiter(),
    routes: [...(await inspectRoutes({ inspector, inspectorUrl: STATELY_INSPECTOR_URL, logger })), ...routes],
    logger,
    now: systemNow,
  });
  return {
    address: server.address,
    close() {
      const closed = server.close();
      closing.abort(new Error('the admin listener closes'));
      return closed;
    },
  };
}
