import { type GuardedServer, startGuardedServer } from '../adapters/http/guarded-server.ts';
import { opsRoutes } from '../adapters/http/ops-routes.ts';
import type { Metrics } from '../adapters/prometheus/metrics.ts';
import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type { Logger } from '../domain/ports.ts';
import { metricsTokens, tokensOfStateDir } from './listener-tokens.ts';
import { systemNow } from './system-clock.ts';

/** Balancers and orchestrators look often, from few addresses. */
const LIMITS = { maxConnections: 256, maxPerAddress: 64 };

/** Starts the metrics listener. Rejects as `startGuardedServer` and `metricsTokens` do. */
export async function startMetricsListener(
  settings: Settings,
  metrics: Pick<Metrics, 'contentType' | 'scrape'>,
  notReady: () => string | undefined,
  logger: Logger,
): Promise<GuardedServer> {
  const tokens = await metricsTokens(settings, tokensOfStateDir(settings, logger));
  return startGuardedServer({
    name: 'metrics',
    address: parseListenAddress(settings.metrics.listen_addr)!,
    addressSetting: 'metrics.listen_addr',
    tokens,
    hosts: undefined,
    isPublic: true,
    routes: opsRoutes({
      metricsPath: settings.metrics.path,
      metricsContentType: metrics.contentType,
      access: tokens.length === 0 ? 'page' : 'read',
      scrape: () => metrics.scrape(),
      notReady,
    }),
    logger,
    now: systemNow,
    limits: LIMITS,
  });
}
