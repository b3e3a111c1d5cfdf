import { onTestFinished } from 'vitest';
import { adminChanges } from '../../src/adapters/http/admin-changes.ts';
import { adminReads } from '../../src/adapters/http/admin-reads.ts';
import { apiRoutes } from '../../src/adapters/http/api-routes.ts';
import { configRoute } from '../../src/adapters/http/config-route.ts';
import { type ListenerLimits, startGuardedServer } from '../../src/adapters/http/guarded-server.ts';
import { planRoute } from '../../src/adapters/http/plan-route.ts';
import type { RoleToken } from '../../src/domain/access.ts';
import type { BackendSwitch } from '../../src/domain/backend-switch.ts';
import type { Logger } from '../../src/domain/ports.ts';
import { type ApiAsk, askApi } from './registration.ts';

const BACKEND = { id: 'a', address: '127.0.0.1:9000', app: 'demo', region: 'sa', country: 'BR' };
const LIMITS = { weight: 1, softLimit: 100, hardLimit: 150 };

/** What the fakes behind the API are to do next. */
interface Told {
  /** Of everything that is asked. */
  failure?: Error;
  turned: Awaited<ReturnType<BackendSwitch['turn']>>;
  reset: readonly string[] | 'unknown' | 'off';
  mayExplain: boolean;
  isValid: boolean;
}

export interface AdminApiOptions {
  readonly tokens?: readonly RoleToken[];
  readonly admit?: (address: string) => boolean;
  readonly limits?: Partial<ListenerLimits>;
}

/** The routes of the admin API over fakes, gone when the running test ends, and what it has told. */
export async function anAdminApi({ tokens = [], admit, limits = {} }: AdminApiOptions = {}) {
  const logs: (readonly [level: string, message: string, fields: object])[] = [];
  const at = (level: string) => (fields: object, message: string) => void logs.push([level, message, fields]);
  const logger: Logger = { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
  const told: Told = { turned: 'changed', reset: ['a'], mayExplain: true, isValid: true };
  const given = <T>(value: T): T => {
    if (told.failure !== undefined) throw told.failure;
    return value;
  };
  let level: 'error' | 'warn' | 'info' | 'debug' = 'info';
  const logLevel = () => given({ level, setting: 'info' as const, isOverridden: level !== 'info' });
  const standing = { isEligible: true, reason: null };
  const reads = adminReads({
    eligible: () =>
      given({
        version: 1,
        isPanic: false,
        eligible: 1,
        excluded: 0,
        backends: [{ ...BACKEND, ...standing }],
        next: null,
      }),
    backends: async () => {
      const state = { adminUp: true, life: 'active', connections: 0 } as const;
      const actors = { health: null, breaker: null, lease: null };
      return given({
        setVersion: 1,
        drainScope: 'daemon',
        backends: [{ ...BACKEND, ...LIMITS, ...standing, ...state, ...actors }],
        next: null,
      });
    },
    connections: () =>
      given({
        connections: [
          {
            client: '192.0.2.1',
            clientPort: 40_000,
            app: 'web',
            state: 'connected',
            backend: { id: 'a', address: '127.0.0.1:9000' },
            since: new Date(0).toISOString(),
            bytesSent: 1,
            bytesReceived: 2,
          },
        ],
        next: '0.7',
      }),
    explain: ({ client }) =>
      given(
        told.mayExplain
          ? {
              client,
              location: null,
              setVersion: 1,
              isPanic: false,
              result: 'picked',
              backends: [
                {
                  ...BACKEND,
                  ...LIMITS,
                  verdict: 'picked',
                  why: 'so',
                  share: 1,
                  tier: 'country',
                  score: 0,
                  connections: 0,
                },
              ],
              leftOut: 0,
            }
          : undefined,
      ),
    logLevel,
  });
  const changes = adminChanges({
    backendSwitch: { scope: 'daemon', turn: async () => given(told.turned) },
    resetBreakers: () => given(told.reset),
    logLevel,
    setLogLevel: async (next) => {
      level = next ?? 'info';
      return logLevel();
    },
    logger,
  });
  const plan = () =>
    given(
      told.isValid
        ? { isValid: true, settings: [], backends: [], skipped: [], warnings: [], drainTimeoutSecs: 1 }
        : { isValid: false, problems: ['it is bad'] },
    );
  const configuration = [
    configRoute(() => given({ region: 'sa', node: 'n', settings: [], pending: [] })),
    planRoute({ plan: async () => plan(), isValid: ({ isValid }) => isValid, render: () => 'text' }),
  ];
  const operations = [...reads, ...changes, ...configuration];
  const info = { title: 'test', description: 'test' };
  const server = await startGuardedServer({
    name: 'admin',
    address: { host: '127.0.0.1', port: 0 },
    addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
    tokens,
    hosts: { names: [], advice: 'none are added' },
    errors: { jsonUnder: '/admin/' },
    admit,
    routes: apiRoutes('/admin/v1/openapi.json', info, operations),
    logger,
    now: () => performance.now(),
    limits,
  });
  onTestFinished(() => server.close());
  const { port } = server.address;
  return { port, logs, told, operations, ask: (path: string, ask?: ApiAsk) => askApi(port, path, ask) };
}
