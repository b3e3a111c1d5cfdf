import { z } from 'zod';
import { backendRowSchema, healthOverrideSchema } from '../domain/backend.ts';
import { admin, binding, geoip, metrics, postgres } from './core.ts';
import { engine, syscalls, tcp, threads } from './engine.ts';
import {
  api,
  circuitBreaker,
  configWatch,
  healthCheck,
  pool,
  proxyProtocol,
  queue,
  rateLimit,
} from './features.ts';
import { app, ROUTE_KEYS, routes } from './routes.ts';
import { tls } from './tls.ts';
import { amount, listenAddress, percent, RELOADABLE, seconds, STATIC, text } from './setting-types.ts';

/** A row of the table as a table of the file: the health check has a shorter name, and nothing there expires. */
const staticBackend = backendRowSchema
  .omit({ health_check: true, expired: true })
  .extend({ health: healthOverrideSchema.optional() })
  .strict();

/** The keys of each table that there may be several of, by its name. */
export const LISTED_TABLE_KEYS: Readonly<Record<string, readonly string[]>> = {
  backends: Object.keys(staticBackend.shape),
  routes: ROUTE_KEYS,
};

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
  listen_addr: listenAddress(
    'EDGEPROXY_LISTEN_ADDR',
    '0.0.0.0:8080',
    'Address that clients connect to.',
    RELOADABLE,
  ),
  app,
  region: z
    .string()
    .min(1)
    .toLowerCase()
    .default('sa')
    .meta({ env: 'EDGEPROXY_REGION', reload: STATIC, description: 'Region that this daemon runs in.' }),
  node: z.string().min(1).toLowerCase().optional().meta({
    env: 'EDGEPROXY_NODE',
    reload: STATIC,
    description:
      "Name of this daemon, for settings in SQL that are meant for it alone; default: the host's name.",
  }),
  engine,
  threads,
  syscalls,
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
  half_closed_timeout_secs: seconds(
    'EDGEPROXY_HALF_CLOSED_TIMEOUT_SECS',
    RELOADABLE,
    0,
    0,
    'A connection that one side has ended, and that is silent for this long, is closed; 0 is never.',
  ),
  first_byte_timeout_secs: seconds(
    'EDGEPROXY_FIRST_BYTE_TIMEOUT_SECS',
    RELOADABLE,
    0,
    0,
    "Time for a backend's first byte after its client's; a backend that takes longer has failed. 0 is for ever.",
  ),
  max_connections: amount(
    'EDGEPROXY_MAX_CONNECTIONS',
    RELOADABLE,
    0,
    0,
    'Clients connected at one time; who comes beside them is refused. 0 is no limit.',
  ),
  max_connections_per_client: amount(
    'EDGEPROXY_MAX_CONNECTIONS_PER_CLIENT',
    RELOADABLE,
    0,
    0,
    'The same for one client: an IPv4 address, or `rate_limit.ipv6_prefix` bits of an IPv6 address. 0 is no limit.',
  ),
  queue,
  shutdown_timeout_secs: seconds(
    'EDGEPROXY_SHUTDOWN_TIMEOUT_SECS',
    RELOADABLE,
    30,
    0,
    'Time that live connections get to end after SIGTERM or SIGINT.',
  ),
  drain_timeout_secs: seconds(
    'EDGEPROXY_DRAIN_TIMEOUT_SECS',
    RELOADABLE,
    300,
    0,
    'Time that connections of a removed backend may go on before they are cut.',
  ),
  panic_threshold_percent: percent(
    'EDGEPROXY_PANIC_THRESHOLD_PERCENT',
    RELOADABLE,
    'Below this share of working backends, health and breakers are disregarded; 0 is never.',
  ),
  state_dir: text(
    'EDGEPROXY_STATE_DIR',
    "Folder of what is kept over a restart: last known backends, registrations, tokens; default: the system's state folder.",
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
  tcp,
  binding,
  postgres,
  metrics,
  admin,
  geoip,
  tls,
  api,
  rate_limit: rateLimit,
  proxy_protocol: proxyProtocol,
  circuit_breaker: circuitBreaker,
  health_check: healthCheck,
  pool,
  config_watch: configWatch,
  routes,
  backends: z
    .array(staticBackend)
    .superRefine(namesEveryIdOnce)
    .default([])
    .meta({ reload: RELOADABLE, description: 'Static backends, used while `postgres.enabled` is false.' }),
});

/** The validated settings: every default filled in, frozen. */
export type Settings = z.output<typeof settingsSchema>;
