import { z } from 'zod';
import { isServerNamePattern } from '../domain/tls/server-names.ts';
import { nameOf, type Origin } from './origin.ts';
import { appName } from './routes.ts';
import type { Settings } from './schema.ts';
import { RELOADABLE, seconds, STATIC } from './setting-types.ts';

const serverName = z
  .string()
  .refine(
    isServerNamePattern,
    'expected a host name in lower case such as shop.example, or *.shop.example for all names below it',
  );

/** The settings of `tls` that are about whose backends clients are given, and about TLS that is left to these. */
export const passthrough = {
  mode: z.enum(['terminate', 'passthrough']).default('terminate').meta({
    env: 'EDGEPROXY_TLS_MODE',
    reload: STATIC,
    description:
      'Who speaks TLS with clients: this daemon (`terminate`), or backends, found by the server name that clients ask for (`passthrough`).',
  }),
  server_names: z.record(serverName, appName).default({}).meta({
    reload: RELOADABLE,
    description:
      'Server name to the app whose backends serve it; `*.shop.example` stands for every name below it.',
  }),
  default_app: appName.optional().meta({
    env: 'EDGEPROXY_TLS_DEFAULT_APP',
    reload: RELOADABLE,
    description:
      'App of clients with another server name, or none; default: they are refused, or, without `tls.server_names`, given the backends of every app.',
  }),
  hello_timeout_secs: seconds(
    'EDGEPROXY_TLS_HELLO_TIMEOUT_SECS',
    RELOADABLE,
    5,
    3,
    "Passthrough: time for a client's greeting; less would not survive a lost segment.",
  ),
};

/** What a listener that leaves TLS to backends lacks. */
export function passthroughGaps({ tls }: Settings, origins: ReadonlyMap<string, Origin>): readonly string[] {
  if (!tls.enabled || tls.mode !== 'passthrough') return [];
  if (tls.default_app !== undefined || Object.keys(tls.server_names).length > 0) return [];
  return [
    `${nameOf('tls.mode', origins)} = "passthrough": expected tls.server_names or tls.default_app beside it, ` +
      'or nobody would be served',
  ];
}
