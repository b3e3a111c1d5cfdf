import { adminChanges } from '../adapters/http/admin-changes.ts';
import { type AdminView, adminReads } from '../adapters/http/admin-reads.ts';
import { apiRoutes } from '../adapters/http/api-routes.ts';
import type { GuardedRoute } from '../adapters/http/guarded-app.ts';
import type { BackendSwitch } from '../domain/backend-switch.ts';
import { normalizeAddress } from '../domain/address.ts';
import { partsOf } from '../domain/backend.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
import type { ConnectionPage, ConnectionQuery } from '../domain/live-connections.ts';
import { type ExplainedBackend, TIER_NAMES } from '../domain/pick-explanation.ts';
import type { Logger } from '../domain/ports.ts';
import type { Registrar } from '../domain/registration.ts';
import { BackendPages, identityOf } from './backend-pages.ts';
import type { ConfigReloads } from './config-reloads.ts';
import { configRoutes } from './config-routes.ts';
import type { Fleet } from './fleet.ts';
import type { Level, LogLevel } from './log-level.ts';
import type { Proxy } from './proxy-interface.ts';
import { resetBreakers } from './reset-breakers.ts';
import { systemNow } from './system-clock.ts';

export interface AdminApiOptions {
  readonly fleet: Pick<Fleet, 'families' | 'live'>;
  readonly proxy: Pick<Proxy, 'activeOf' | 'explain'>;
  readonly connections: (query: ConnectionQuery) => ConnectionPage;
  /** The set in force. */
  readonly current: () => EligibleSet;
  readonly backendSwitch: BackendSwitch;
  readonly registrar: Pick<Registrar, 'list'> | undefined;
  readonly logLevel: Pick<LogLevel, 'describe'>;
  /** Sets another level, in turn with changes of settings. */
  readonly setLogLevel: (level: Level | undefined) => Promise<void>;
  /** Absent for a daemon that has no configuration to tell of. */
  readonly reloads: ConfigReloads | undefined;
  readonly logger: Logger;
}

const INFO = {
  title: 'edgeproxy admin API',
  description: 'What a running daemon goes by, and what an operator may change in it.',
};

/** Everything under `/admin/v1`. */
export function adminApi(options: AdminApiOptions): readonly GuardedRoute[] {
  const {
    fleet,
    proxy,
    connections,
    current,
    backendSwitch,
    registrar,
    logLevel,
    setLogLevel,
    reloads,
    logger,
  } = options;
  const pages = new BackendPages({
    current,
    families: fleet.families,
    activeOf: (incarnation) => proxy.activeOf(incarnation),
    registrar,
    scope: backendSwitch.scope,
    now: systemNow,
  });
  const operations = [
    ...adminReads({
      eligible: (query) => pages.eligible(query),
      backends: (query) => pages.states(query),
      connections: ({ client, backend: backendId, ...page }) =>
        shown(connections({ ...page, backendId, client: client && normalizeAddress(client) })),
      explain: (asked) => explained(asked, proxy, current()),
      logLevel: () => logLevel.describe(),
    }),
    ...adminChanges({
      backendSwitch,
      resetBreakers: (id) => resetBreakers(fleet.families, id),
      logLevel: () => logLevel.describe(),
      async setLogLevel(level) {
        await setLogLevel(level);
        return logLevel.describe();
      },
      logger,
    }),
    ...(reloads === undefined ? [] : configRoutes(reloads, () => fleet.live())),
  ];
  return apiRoutes('/admin/v1/openapi.json', INFO, operations);
}

function shown({ items, next }: ConnectionPage): ReturnType<AdminView['connections']> {
  const connections = items.map(({ incarnation, sinceUnixSecs, clientPort, app, ...others }) => ({
    ...others,
    clientPort: clientPort ?? null,
    app: app ?? null,
    backend: incarnation === undefined ? null : partsOf(incarnation),
    since: new Date(sinceUnixSecs * 1000).toISOString(),
  }));
  return { connections, next };
}

function explained(
  { client, app, limit }: Parameters<AdminView['explain']>[0],
  proxy: Pick<Proxy, 'explain'>,
  set: EligibleSet,
): ReturnType<AdminView['explain']> {
  const rehearsed = proxy.explain(client, set, app);
  if (rehearsed === undefined) return undefined;
  const { location, result, backends } = rehearsed;
  return {
    client,
    location: location === undefined ? null : { ...location, region: location.region ?? null },
    setVersion: set.version,
    isPanic: set.isPanic,
    result,
    backends: backends.slice(0, limit).map(answerOf),
    leftOut: Math.max(0, backends.length - limit),
  };
}

function answerOf({ backend, verdict, why, share, tier, score, active }: ExplainedBackend) {
  return {
    ...identityOf(backend),
    verdict,
    why,
    share,
    tier: TIER_NAMES[tier],
    score: Number.isFinite(score) ? score : null,
    connections: active,
    weight: backend.weight,
    softLimit: backend.softLimit,
    hardLimit: backend.hardLimit,
  };
}
