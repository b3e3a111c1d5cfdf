import type { AnyActorRef } from 'xstate';
import { drawMachine } from '../adapters/charts/machine-drawing.ts';
import { loadAdminToken } from '../adapters/file/admin-token.ts';
import { defaultStateDir } from '../adapters/file/state-dir.ts';
import { isLoopback } from '../adapters/http/admin-guard.ts';
import { type AdminServer, startAdminServer } from '../adapters/http/admin-server.ts';
import { inspectRoutes, STATELY_INSPECTOR_URL } from '../adapters/http/inspect-routes.ts';
import { createInspector } from '../adapters/inspect/inspector.ts';
import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type { Logger } from '../domain/ports.ts';
import type { BackendFamily } from './backend-family.ts';
import type { Fleet } from './fleet.ts';

/** Actors shown to one looker at most; a pattern chooses among more. */
const MAX_ACTORS = 100;

/** The live actors by name, such as `lifecycle`, `subscription`, `backend:sa-1`, `breaker:sa-1`, `checker:sa-1`. */
export function liveActors(
  own: Readonly<Record<string, AnyActorRef | undefined>>,
  fleet: Fleet,
): ReadonlyMap<string, AnyActorRef> {
  const actors = new Map<string, AnyActorRef>();
  const add = (name: string, actor: AnyActorRef | undefined): void => {
    if (actor !== undefined) actors.set(name, actor);
  };
  for (const [name, actor] of Object.entries(own)) add(name, actor);
  for (const family of fleet.families.values()) {
    const name = nameOf(family);
    // In a large fleet, lives that have not begun stay so: to look must not cost an actor for each backend.
    add(`backend:${name}`, fleet.families.size <= MAX_ACTORS ? family.life : family.begunLife);
    add(`breaker:${name}`, family.breaker);
    add(`checker:${name}`, family.checker);
  }
  return actors;
}

/** Two incarnations of an id live side by side while the old one drains. */
function nameOf({ backend, incarnation, isDraining }: BackendFamily): string {
  return isDraining ? incarnation : backend.id;
}

/** Starts the admin listener; on an address that is not loopback, with the token of the settings or one that is kept. */
export async function startAdmin(
  settings: Settings,
  actors: () => ReadonlyMap<string, AnyActorRef>,
  logger: Logger,
): Promise<AdminServer> {
  const address = parseListenAddress(settings.admin.listen_addr)!;
  const inspector = createInspector({
    actors,
    draw: drawMachine,
    maxActors: MAX_ACTORS,
    wallClock: () => Date.now(),
  });
  return startAdminServer({
    address,
    addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
    auth: { token: settings.admin.token ?? (await keptToken(address.host)) },
    routes: await inspectRoutes({ inspector, inspectorUrl: STATELY_INSPECTOR_URL }),
    logger,
  });

  async function keptToken(host: string): Promise<string | undefined> {
    if (isLoopback(host)) return undefined;
    const { token, path, isNew } = await loadAdminToken(settings.state_dir ?? defaultStateDir());
    logger.info({ path, isNew }, 'admin token');
    return token;
  }
}
