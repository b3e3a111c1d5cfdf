import { z } from 'zod';
import { PROBE_PATH } from '../domain/backend.ts';
import { HEADER_MODES } from '../domain/proxy-protocol/relayed-header.ts';
import {
  amount,
  bearerToken,
  listenAddress,
  networks,
  RELOADABLE,
  seconds,
  STATIC,
  switchOff,
  text,
} from './setting-types.ts';

export const api = z
  .strictObject({
    enabled: switchOff('EDGEPROXY_API_ENABLED', 'Serve the registration API.'),
    listen_addr: listenAddress(
      'EDGEPROXY_API_LISTEN_ADDR',
      '0.0.0.0:8081',
      'Address of the registration API; any but a loopback address demands a token.',
    ),
    token: bearerToken(
      'EDGEPROXY_API_TOKEN',
      'Bearer token of who registers; without one on another address, one is made and kept in the state folder.',
    ),
    token_file: text('EDGEPROXY_API_TOKEN_FILE', 'File that holds it instead.'),
    read_token: bearerToken('EDGEPROXY_API_READ_TOKEN', 'Bearer token of who may only look.'),
    read_token_file: text('EDGEPROXY_API_READ_TOKEN_FILE', 'File that holds it instead.'),
    max_requests: amount(
      'EDGEPROXY_API_MAX_REQUESTS',
      STATIC,
      100,
      1,
      'Requests of one address in a second, and as many at once.',
    ),
  })
  .prefault({});

export const rateLimit = z
  .strictObject({
    enabled: switchOff('EDGEPROXY_RATE_LIMIT_ENABLED', 'Limit new connections per client address.', {
      reload: RELOADABLE,
    }),
    max_requests: amount('EDGEPROXY_RATE_LIMIT_MAX_REQUESTS', RELOADABLE, 100, 1, 'Connections per window.'),
    window_secs: seconds('EDGEPROXY_RATE_LIMIT_WINDOW_SECS', RELOADABLE, 1, 1, 'Length of the window.'),
    burst: amount('EDGEPROXY_RATE_LIMIT_BURST', RELOADABLE, 10, 1, 'Connections at once after a silence.'),
    max_clients: amount(
      'EDGEPROXY_RATE_LIMIT_MAX_CLIENTS',
      STATIC,
      100_000,
      15,
      'Clients that are remembered at most; an IPv6 prefix is one client.',
    ),
    ipv6_prefix: z.int().min(1).max(128).default(64).meta({
      env: 'EDGEPROXY_RATE_LIMIT_IPV6_PREFIX',
      reload: STATIC,
      description: 'Bits of an IPv6 address that make a client.',
    }),
    exempt: networks('EDGEPROXY_RATE_LIMIT_EXEMPT', 'Networks whose clients are never limited.'),
  })
  .prefault({});

export const proxyProtocol = z
  .strictObject({
    trusted: networks(
      'EDGEPROXY_PROXY_PROTOCOL_TRUSTED',
      'Networks of proxies: a client from there has to begin with a PROXY header, which says who it is. Empty is nobody.',
    ),
    timeout_secs: seconds(
      'EDGEPROXY_PROXY_PROTOCOL_TIMEOUT_SECS',
      RELOADABLE,
      5,
      3,
      'Time for such a header to come; less would not survive a lost segment.',
    ),
    send: z.enum(HEADER_MODES).default('off').meta({
      env: 'EDGEPROXY_PROXY_PROTOCOL_SEND',
      reload: RELOADABLE,
      description:
        'Header that a connection to a backend begins with, unless the column `proxy_protocol` of its row says otherwise.',
    }),
  })
  .prefault({});

export const queue = z
  .strictObject({
    max: amount(
      'EDGEPROXY_QUEUE_MAX',
      RELOADABLE,
      0,
      0,
      'Clients that may wait for a place when every backend is full; 0 refuses them at once.',
    ),
    timeout_secs: seconds('EDGEPROXY_QUEUE_TIMEOUT_SECS', RELOADABLE, 5, 1, 'How long one waits at most.'),
  })
  .prefault({});

export const circuitBreaker = z
  .strictObject({
    enabled: switchOff('EDGEPROXY_CIRCUIT_BREAKER_ENABLED', 'Leave failing backends alone for a while.', {
      reload: RELOADABLE,
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
    lease_secs: seconds(
      'EDGEPROXY_CIRCUIT_LEASE_SECS',
      RELOADABLE,
      30,
      1,
      'Time that half-open waits for an outcome before it gives the permits of silent trials out anew.',
    ),
  })
  .prefault({});

export const healthCheck = z
  .strictObject({
    enabled: switchOff('EDGEPROXY_HEALTH_CHECK_ENABLED', 'Probe backends.', { reload: RELOADABLE }),
    interval_secs: seconds('EDGEPROXY_HEALTH_CHECK_INTERVAL_SECS', RELOADABLE, 5, 1, 'Time between probes.'),
    timeout_secs: seconds('EDGEPROXY_HEALTH_CHECK_TIMEOUT_SECS', RELOADABLE, 2, 1, 'Time for one probe.'),
    type: z.enum(['tcp', 'http']).default('tcp').meta({
      env: 'EDGEPROXY_HEALTH_CHECK_TYPE',
      reload: RELOADABLE,
      description: 'Connect, or GET and look at the status.',
    }),
    expected_status: z.int().min(100).max(599).default(200).meta({
      env: 'EDGEPROXY_HEALTH_CHECK_EXPECTED_STATUS',
      reload: RELOADABLE,
      description: 'Status that the HTTP probe must get.',
    }),
    max_in_flight: amount(
      'EDGEPROXY_HEALTH_CHECK_MAX_IN_FLIGHT',
      RELOADABLE,
      200,
      1,
      'Probes under way at one time, over all backends.',
    ),
    initial: z.enum(['healthy', 'unhealthy']).default('healthy').meta({
      env: 'EDGEPROXY_HEALTH_CHECK_INITIAL',
      reload: RELOADABLE,
      description: 'What a backend counts as before probes have judged it.',
    }),
    on_down: z.enum(['keep', 'drain', 'cut']).default('keep').meta({
      env: 'EDGEPROXY_HEALTH_CHECK_ON_DOWN',
      reload: RELOADABLE,
      description: 'What becomes of live connections of a backend that probes find down.',
    }),
    path: z
      .string()
      .regex(PROBE_PATH, 'expected a path that starts with /, in printable ASCII without blanks')
      .default('/health')
      .meta({
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
  .prefault({});

export const pool = z
  .strictObject({
    enabled: switchOff('EDGEPROXY_POOL_ENABLED', 'Keep unused connections to backends warm.', {
      reload: RELOADABLE,
    }),
    max_per_backend: amount(
      'EDGEPROXY_POOL_MAX_PER_BACKEND',
      RELOADABLE,
      10,
      1,
      'Warm connections per backend at most, of all threads together.',
    ),
    idle_timeout_secs: seconds(
      'EDGEPROXY_POOL_IDLE_TIMEOUT_SECS',
      RELOADABLE,
      60,
      1,
      'Time one may be unused.',
    ),
    max_lifetime_secs: seconds('EDGEPROXY_POOL_MAX_LIFETIME_SECS', RELOADABLE, 300, 1, 'Time one may exist.'),
    connect_timeout_secs: seconds(
      'EDGEPROXY_POOL_CONNECT_TIMEOUT_SECS',
      RELOADABLE,
      5,
      1,
      'Time to connect.',
    ),
  })
  .prefault({});

export const configWatch = z
  .strictObject({
    // A half of a file could switch off what would see the other half.
    enabled: switchOff('EDGEPROXY_CONFIG_WATCH_ENABLED', 'Apply changes of the file while running.'),
    interval_secs: seconds(
      'EDGEPROXY_CONFIG_WATCH_INTERVAL_SECS',
      RELOADABLE,
      5,
      1,
      'How often the file is looked at where the system does not tell of changes.',
    ),
  })
  .prefault({});
