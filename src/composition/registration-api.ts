import { type GuardedServer, startGuardedServer } from '../adapters/http/guarded-server.ts';
import { registrationRoutes } from '../adapters/http/registration-routes.ts';
import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type { Logger } from '../domain/ports.ts';
import { addressLimiter } from './address-limiter.ts';
import type { Registration } from './create-source.ts';
import { apiTokens, tokensOfStateDir } from './listener-tokens.ts';
import { systemNow } from './system-clock.ts';

/** Backends keep connections between heartbeats, and many of them may be behind one address. */
const LIMITS = { maxConnections: 1_024, maxPerAddress: 256 };

/** Starts the listener of the registration API. Rejects as `startGuardedServer` and `apiTokens` do. */
export async function startRegistrationApi(
  settings: Settings,
  { registrar, witness, metrics }: Registration,
  logger: Logger,
  version: string,
): Promise<GuardedServer> {
  const { listen_addr: address, max_requests: maxRequests } = settings.api;
  const tokens = await apiTokens(settings, tokensOfStateDir(settings, logger));
  return startGuardedServer({
    name: 'api',
    address: parseListenAddress(address)!,
    addressSetting: 'api.listen_addr',
    tokens,
    // Whoever has the token may call the listener what it likes; a page that has rebound a name has none.
    hosts:
      tokens.length > 0
        ? undefined
        : { names: [], advice: 'with EDGEPROXY_API_TOKEN it is served under any name' },
    errors: 'json',
    admit: addressLimiter(maxRequests),
    onAnswered: (status) => metrics.answered(status),
    routes: registrationRoutes({ registrar, witness, version, logger, now: systemNow }),
    logger,
    now: systemNow,
    limits: LIMITS,
  });
}
