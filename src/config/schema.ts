import { z } from 'zod';
import { backendRowSchema } from '../domain/backend.ts';
import { parseCidr } from '../domain/address.ts';
import { DEFAULT_COUNTRY_REGIONS } from '../domain/geo.ts';

/** What the schema knows about a setting besides its type and default. */
export interface SettingMeta {
  /** Name of the environment variable; tables have none and come from the file alone. */
  readonly env?: string;
  readonly unit?: string;
  /** Takes effect in a running daemon. */
  readonly reload: boolean;
  /** Never printed. */
  readonly secret?: boolean;
  /** A switch of a feature that this version does not have: refused when on. */
  readonly unavailable?: boolean;
  /** One line of documentation. */
  readonly description: string;
}

const STATIC = false;
const RELOADABLE = true;

const switchOff = (env: string, description: string, more: Partial<SettingMeta> = {}) =>
  z
    .boolean()
    .default(false)
    .meta({ env, reload: STATIC, description, ...more });

const amount = (
  env: string,
  reload: boolean,
  standard: number,
  min: number,
  description: string,
  unit?: string,
) =>
  z
    .int()
    .min(min)
    .max(2_147_483)
    .default(standard)
    .meta({ env, reload, description, ...(unit === undefined ? {} : { unit }) });

const seconds = (env: string, reload: boolean, standard: number, min: 0 | 1, description: string) =>
  amount(env, reload, standard, min, description, 's');

const text = (env: string, description: string, more: Partial<SettingMeta> = {}) =>
  z
    .string()
    .min(1)
    .optional()
    .meta({ env, reload: STATIC, description, ...more });

/** `host:port`, `[v6]:port`; the host is an address, and the port 0 asks the system for a free one. */
const listenAddress = (env: string, standard: string, description: string) =>
  z
    .string()
    .refine((value) => parseListenAddress(value) !== undefined, 'expected ADDRESS:PORT or [IPV6]:PORT')
    .default(standard)
    .meta({ env, reload: STATIC, description });

/** Splits a listen address; `undefined` when it is none. */
export function parseListenAddress(
  value: string,
): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+)):(?<port>\d{1,5})$/.exec(value);
  const { v6, v4, port } = match?.groups ?? {};
  const isAddress = v6 === undefined ? z.ipv4().safeParse(v4).success : z.ipv6().safeParse(v6).success;
  if (!isAddress || Number(port) > 65_535) return undefined;
  return { host: (v6 ?? v4)!, port: Number(port) };
}

function isPostgresUrl(value: string): boolean {
  return ['postgres:', 'postgresql:'].includes(URL.parse(value)?.protocol ?? '');
}

const countryCode = z
  .string()
  .regex(/^[A-Za-z]{2}$/, 'expected a country code of two letters (ISO 3166-1) such as BR')
  .toUpperCase();

const cidr = z.string().superRefine((value, context) => {
  const parsed = parseCidr(value);
  if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.problem });
});

function namesEveryIdOnce(rows: readonly { readonly id: string }[], context: z.RefinementCtx): void {
  for (const [index, { id }] of rows.entries()) {
    if (rows.findIndex((row) => row.id === id) === index) continue;
    context.addIssue({
      code: 'custom',
      path: [index, 'id'],
      message: 'expected an id that no other backend has',
    });
  }
}

/**
 * Every setting of the daemon, once: key, environment name, type, unit, default, reloadable or not, documentation.
 *
 * Keys are those of the TOML file. The settings table of the README, `edgeproxy check` and its JSON Schema are made
 * from this object. Seconds exist only here; the rest of the code counts in milliseconds.
 */
export const settingsSchema = z.strictObject({
  listen_addr: listenAddress('EDGEPROXY_LISTEN_ADDR', '0.0.0.0:8080', 'Address that clients connect to.'),
  region: z
    .string()
    .min(1)
    .toLowerCase()
    .default('sa')
    .meta({ env: 'EDGEPROXY_REGION', reload: STATIC, description: 'Region that this daemon runs in.' }),
  connect_timeout_secs: seconds(
    'EDGEPROXY_CONNECT_TIMEOUT_SECS',
    RELOADABLE,
    5,
    1,
    'Time for one attempt to connect to a backend; a client waits at most this times `connect_attempts`.',
  ),
  connect_attempts: amount(
    'EDGEPROXY_CONNECT_ATTEMPTS',
    RELOADABLE,
    3,
    1,
    'Distinct backends tried before a client is refused.',
  ),
  idle_timeout_secs: seconds(
    'EDGEPROXY_IDLE_TIMEOUT_SECS',
    RELOADABLE,
    0,
    0,
    'A connection silent both ways for this long is closed; 0 is never.',
  ),
  shutdown_timeout_secs: seconds(
    'EDGEPROXY_SHUTDOWN_TIMEOUT_SECS',
    RELOADABLE,
    30,
    0,
    'Time that live connections get to end after SIGTERM or SIGINT.',
  ),
  state_dir: text(
    'EDGEPROXY_STATE_DIR',
    "Folder of the last known backends, for a start without the database; default: the system's state folder.",
  ),
  log_level: z.enum(['error', 'warn', 'info', 'debug']).default('info').meta({
    env: 'EDGEPROXY_LOG_LEVEL',
    reload: RELOADABLE,
    description: 'Least severe log line that is written.',
  }),
  heartbeat_ttl_secs: seconds(
    'EDGEPROXY_HEARTBEAT_TTL_SECS',
    RELOADABLE,
    60,
    1,
    'Registration API: a backend without a heartbeat for this long is taken out.',
  ),
  binding: z
    .strictObject({
      ttl_secs: seconds(
        'EDGEPROXY_BINDING_TTL_SECS',
        RELOADABLE,
        600,
        0,
        'A client address returns to the same backend for this long after its last connection; 0 is off.',
      ),
      gc_interval_secs: seconds(
        'EDGEPROXY_BINDING_GC_INTERVAL_SECS',
        RELOADABLE,
        60,
        1,
        'How often expired bindings are removed from memory.',
      ),
    })
    .prefault({}),
  postgres: z
    .strictObject({
      enabled: switchOff(
        'EDGEPROXY_POSTGRES_ENABLED',
        'Take backends from PostgreSQL instead of `[[backends]]`.',
      ),
      url: z
        .string()
        .refine(isPostgresUrl, 'expected postgres://USER:PASSWORD@HOST:PORT/DATABASE')
        .optional()
        .meta({
          env: 'EDGEPROXY_POSTGRES_URL',
          reload: STATIC,
          secret: true,
          description:
            'Connection URL; required when enabled. Not through a transaction pooler: LISTEN needs a session.',
        }),
      max_connections: amount(
        'EDGEPROXY_POSTGRES_MAX_CONNECTIONS',
        STATIC,
        10,
        1,
        'Sessions of the pool at most; the LISTEN session comes on top.',
      ),
      min_connections: amount('EDGEPROXY_POSTGRES_MIN_CONNECTIONS', STATIC, 2, 0, 'Sessions kept open.'),
      connect_timeout_secs: seconds(
        'EDGEPROXY_POSTGRES_CONNECT_TIMEOUT_SECS',
        STATIC,
        5,
        1,
        'Time to connect.',
      ),
      query_timeout_secs: seconds(
        'EDGEPROXY_POSTGRES_QUERY_TIMEOUT_SECS',
        STATIC,
        10,
        1,
        'Time for a query.',
      ),
      reload_secs: seconds(
        'EDGEPROXY_POSTGRES_RELOAD_SECS',
        STATIC,
        5,
        1,
        'How often backends are read without a notification, as a safety net.',
      ),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      enabled: switchOff('EDGEPROXY_METRICS_ENABLED', 'Serve Prometheus metrics, `/healthz` and `/readyz`.'),
      listen_addr: listenAddress(
        'EDGEPROXY_METRICS_LISTEN_ADDR',
        '0.0.0.0:9090',
        'Address of the metrics listener.',
      ),
      path: z
        .string()
        .regex(/^\/[\w\-./~%]*$/, 'expected a path that starts with /')
        .default('/metrics')
        .meta({ env: 'EDGEPROXY_METRICS_PATH', reload: STATIC, description: 'Path of the metrics.' }),
    })
    .prefault({}),
  geoip: z
    .strictObject({
      path: text('EDGEPROXY_GEOIP_PATH', 'Country database in MaxMind format (`.mmdb`).'),
      cidrs: z.record(cidr, countryCode).default({}).meta({
        reload: STATIC,
        description: 'Network to country; asked before the database, longest prefix wins.',
      }),
      regions: z
        .record(z.union([z.literal('*'), countryCode]), z.string().min(1).toLowerCase())
        .default(DEFAULT_COUNTRY_REGIONS)
        .meta({
          reload: STATIC,
          description: 'Country to region; `*` stands for every country without an entry.',
        }),
    })
    .prefault({}),
  tls: z
    .strictObject({
      enabled: switchOff('EDGEPROXY_TLS_ENABLED', 'Accept TLS clients.', { unavailable: true }),
      listen_addr: listenAddress('EDGEPROXY_TLS_LISTEN_ADDR', '0.0.0.0:8443', 'Address of the TLS listener.'),
      cert: text('EDGEPROXY_TLS_CERT', 'Certificate chain, a PEM file.'),
      key: text('EDGEPROXY_TLS_KEY', 'Private key, a PEM file.'),
    })
    .prefault({}),
  api: z
    .strictObject({
      enabled: switchOff('EDGEPROXY_API_ENABLED', 'Serve the registration API.', { unavailable: true }),
      listen_addr: listenAddress(
        'EDGEPROXY_API_LISTEN_ADDR',
        '0.0.0.0:8081',
        'Address of the registration API.',
      ),
      token: text('EDGEPROXY_API_TOKEN', 'Bearer token of the registration API.', { secret: true }),
    })
    .prefault({}),
  rate_limit: z
    .strictObject({
      enabled: switchOff('EDGEPROXY_RATE_LIMIT_ENABLED', 'Limit new connections per client address.', {
        unavailable: true,
      }),
      max_requests: amount(
        'EDGEPROXY_RATE_LIMIT_MAX_REQUESTS',
        RELOADABLE,
        100,
        1,
        'Connections per window.',
      ),
      window_secs: seconds('EDGEPROXY_RATE_LIMIT_WINDOW_SECS', RELOADABLE, 1, 1, 'Length of the window.'),
      burst: amount('EDGEPROXY_RATE_LIMIT_BURST', RELOADABLE, 10, 1, 'Connections at once after a silence.'),
    })
    .prefault({}),
  circuit_breaker: z
    .strictObject({
      enabled: switchOff('EDGEPROXY_CIRCUIT_BREAKER_ENABLED', 'Leave failing backends alone for a while.', {
        unavailable: true,
      }),
      failure_threshold: amount(
        'EDGEPROXY_CIRCUIT_FAILURE_THRESHOLD',
        RELOADABLE,
        5,
        1,
        'Consecutive failures that open a circuit.',
      ),
      success_threshold: amount(
        'EDGEPROXY_CIRCUIT_SUCCESS_THRESHOLD',
        RELOADABLE,
        3,
        1,
        'Successful trials that close it again.',
      ),
      timeout_secs: seconds('EDGEPROXY_CIRCUIT_TIMEOUT_SECS', RELOADABLE, 30, 1, 'Time that it stays open.'),
    })
    .prefault({}),
  health_check: z
    .strictObject({
      enabled: switchOff('EDGEPROXY_HEALTH_CHECK_ENABLED', 'Probe backends.', { unavailable: true }),
      interval_secs: seconds(
        'EDGEPROXY_HEALTH_CHECK_INTERVAL_SECS',
        RELOADABLE,
        5,
        1,
        'Time between probes.',
      ),
      timeout_secs: seconds('EDGEPROXY_HEALTH_CHECK_TIMEOUT_SECS', RELOADABLE, 2, 1, 'Time for one probe.'),
      type: z.enum(['tcp', 'http']).default('tcp').meta({
        env: 'EDGEPROXY_HEALTH_CHECK_TYPE',
        reload: RELOADABLE,
        description: 'Connect, or GET and look at the status.',
      }),
      path: z.string().regex(/^\//, 'expected a path that starts with /').default('/health').meta({
        env: 'EDGEPROXY_HEALTH_CHECK_PATH',
        reload: RELOADABLE,
        description: 'Path of the HTTP probe.',
      }),
      healthy_threshold: amount(
        'EDGEPROXY_HEALTH_HEALTHY_THRESHOLD',
        RELOADABLE,
        2,
        1,
        'Successful probes in a row that make a backend healthy.',
      ),
      unhealthy_threshold: amount(
        'EDGEPROXY_HEALTH_UNHEALTHY_THRESHOLD',
        RELOADABLE,
        3,
        1,
        'Failed probes in a row that make it unhealthy.',
      ),
    })
    .prefault({}),
  pool: z
    .strictObject({
      enabled: switchOff('EDGEPROXY_POOL_ENABLED', 'Keep unused connections to backends warm.', {
        unavailable: true,
      }),
      max_per_backend: amount(
        'EDGEPROXY_POOL_MAX_PER_BACKEND',
        RELOADABLE,
        10,
        1,
        'Warm connections per backend.',
      ),
      idle_timeout_secs: seconds(
        'EDGEPROXY_POOL_IDLE_TIMEOUT_SECS',
        RELOADABLE,
        60,
        1,
        'Time one may be unused.',
      ),
      max_lifetime_secs: seconds(
        'EDGEPROXY_POOL_MAX_LIFETIME_SECS',
        RELOADABLE,
        300,
        1,
        'Time one may exist.',
      ),
      connect_timeout_secs: seconds(
        'EDGEPROXY_POOL_CONNECT_TIMEOUT_SECS',
        RELOADABLE,
        5,
        1,
        'Time to connect.',
      ),
    })
    .prefault({}),
  config_watch: z
    .strictObject({
      enabled: switchOff('EDGEPROXY_CONFIG_WATCH_ENABLED', 'Apply changes of the file while running.', {
        unavailable: true,
      }),
      interval_secs: seconds(
        'EDGEPROXY_CONFIG_WATCH_INTERVAL_SECS',
        STATIC,
        5,
        1,
        'How often the file is looked at.',
      ),
    })
    .prefault({}),
  backends: z
    .array(backendRowSchema.strict())
    .superRefine(namesEveryIdOnce)
    .default([])
    .meta({ reload: STATIC, description: 'Static backends, used while `postgres.enabled` is false.' }),
});

/** The validated settings: every default filled in, frozen. */
export type Settings = z.output<typeof settingsSchema>;
