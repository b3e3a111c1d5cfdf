import { drawMachine } from '../adapters/charts/machine-drawing.ts';
import { machineJsonOf } from '../adapters/charts/studio-json.ts';
import { loadAdminToken } from '../adapters/file/admin-token.ts';
import { defaultStateDir } from '../adapters/file/state-dir.ts';
import type { AdminRoute } from '../adapters/http/admin-app.ts';
import { isLoopback } from '../adapters/http/admin-guard.ts';
import { type AdminServer, startAdminServer } from '../adapters/http/admin-server.ts';
import { inspectRoutes, STATELY_INSPECTOR_URL } from '../adapters/http/inspect-routes.ts';
import { createInspector, type LiveActors } from '../adapters/inspect/inspector.ts';
import { sanitize } from '../adapters/inspect/sanitize.ts';
import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type { Logger } from '../domain/ports.ts';
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
  routes: readonly AdminRoute[] = [],
): Promise<AdminServer> {
  const address = parseListenAddress(settings.admin.listen_addr)!;
  const closing = new AbortController();
  const inspector = createInspector({
    actors,
    draw: (machine) => drawMachine(machine, { signal: closing.signal }),
    describe: (machine) => JSON.stringify(machineJsonOf(machine, sanitize)),
    maxActors: MAX_ACTORS,
    wallClock: () => Date.now(),
  });
  const server = await startAdminServer({
    address,
    addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
    token: settings.admin.token ?? (await keptToken(address.host)),
    hosts: { names: settings.admin.hosts, setting: 'EDGEPROXY_ADMIN_HOSTS' },
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

  async function keptToken(host: string): Promise<string | undefined> {
    if (isLoopback(host)) return undefined;
    const { token, path, isNew } = await loadAdminToken(settings.state_dir ?? defaultStateDir());
    logger.info({ path, isNew }, 'admin token');
    return token;
  }
}
