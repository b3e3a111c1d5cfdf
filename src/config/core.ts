import { z } from 'zod';
import { createCidrTable } from '../domain/cidr-table.ts';
import { DEFAULT_COUNTRY_REGIONS } from '../domain/geo.ts';
import { messageOf } from '../errors.ts';
import {
  amount,
  bearerToken,
  listenAddress,
  network,
  RELOADABLE,
  seconds,
  STATIC,
  switchOff,
  text,
} from './setting-types.ts';

function isPostgresUrl(value: string): boolean {
  return ['postgres:', 'postgresql:'].includes(URL.parse(value)?.protocol ?? '');
}

const countryCode = z
  .string()
  .regex(/^[A-Za-z]{2}$/, 'expected a country code of two letters (ISO 3166-1) such as BR')
  .toUpperCase();

/** Of two spellings of one network, either value could be meant. */
function namesEveryNetworkOnce(cidrs: Readonly<Record<string, string>>, context: z.RefinementCtx): void {
  try {
    createCidrTable(cidrs);
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) });
  }
}

/** What stands in the `Host` header of a request, in the form that URLs give it. */
const hostName = z
  .string()
  .toLowerCase()
  .refine((name) => {
    const url = URL.parse(`http://${name}`);
    return url !== null && /^[\w.:[\]-]+$/.test(name) && [url.host, `${url.host}:80`].includes(name);
  }, 'expected a host name such as edge.example, or edge.example:8443');

export const binding = z
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
  .prefault({});

export const postgres = z
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
    query_timeout_secs: seconds('EDGEPROXY_POSTGRES_QUERY_TIMEOUT_SECS', STATIC, 10, 1, 'Time for a query.'),
    reload_secs: seconds(
      'EDGEPROXY_POSTGRES_RELOAD_SECS',
      STATIC,
      5,
      1,
      'How often backends are read without a notification, as a safety net.',
    ),
  })
  .prefault({});

export const metrics = z
  .strictObject({
    enabled: switchOff('EDGEPROXY_METRICS_ENABLED', 'Serve Prometheus metrics, `/healthz` and `/readyz`.', {
      reload: RELOADABLE,
    }),
    listen_addr: listenAddress(
      'EDGEPROXY_METRICS_LISTEN_ADDR',
      '0.0.0.0:9090',
      'Address of the metrics listener.',
      RELOADABLE,
    ),
    path: z
      .string()
      .regex(/^\/[\w\-./~%]*$/, 'expected a path that starts with /')
      .default('/metrics')
      .meta({ env: 'EDGEPROXY_METRICS_PATH', reload: STATIC, description: 'Path of the metrics.' }),
    token: bearerToken('EDGEPROXY_METRICS_TOKEN', 'Bearer token of who scrapes; without one, anybody may.'),
    token_file: text('EDGEPROXY_METRICS_TOKEN_FILE', 'File that holds it instead.'),
    token_required: switchOff(
      'EDGEPROXY_METRICS_TOKEN_REQUIRED',
      'Demand a token on any but a loopback address, as the other listeners do: without one, one is made and kept in the state folder.',
    ),
  })
  .prefault({});

export const geoip = z
  .strictObject({
    path: text('EDGEPROXY_GEOIP_PATH', 'Country database in MaxMind format (`.mmdb`).', {
      reload: RELOADABLE,
    }),
    cidrs: z.record(network, countryCode).superRefine(namesEveryNetworkOnce).default({}).meta({
      reload: RELOADABLE,
      description: 'Network to country; asked before the database, longest prefix wins.',
    }),
    regions: z
      .record(z.union([z.literal('*'), countryCode]), z.string().min(1).toLowerCase())
      .default(DEFAULT_COUNTRY_REGIONS)
      .meta({
        reload: RELOADABLE,
        description: 'Country to region; `*` stands for every country without an entry.',
      }),
  })
  .prefault({});

export const admin = z
  .strictObject({
    enabled: switchOff('EDGEPROXY_ADMIN_ENABLED', 'Serve the admin listener: `/admin/v1` and `/inspect`.', {
      reload: RELOADABLE,
    }),
    listen_addr: listenAddress(
      'EDGEPROXY_ADMIN_LISTEN_ADDR',
      '127.0.0.1:8082',
      'Address of the admin listener; any but a loopback address demands the token.',
      RELOADABLE,
    ),
    token: bearerToken(
      'EDGEPROXY_ADMIN_TOKEN',
      'Bearer token of the admin listener; without one on another address, one is made and kept in the state folder.',
    ),
    token_file: text('EDGEPROXY_ADMIN_TOKEN_FILE', 'File that holds it instead.'),
    read_token: bearerToken('EDGEPROXY_ADMIN_READ_TOKEN', 'Bearer token of who may only look.'),
    read_token_file: text('EDGEPROXY_ADMIN_READ_TOKEN_FILE', 'File that holds it instead.'),
    hosts: z.array(hostName).default([]).meta({
      env: 'EDGEPROXY_ADMIN_HOSTS',
      reload: STATIC,
      description:
        'Names under which the admin listener may be asked, `NAME` or `NAME:PORT`, beside its own addresses: of DNS, of a port forward.',
    }),
  })
  .prefault({});
