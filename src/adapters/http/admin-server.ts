import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { listenError } from '../../domain/listen-error.ts';
import type { ListenAddress, Logger } from '../../domain/ports.ts';
import { EdgeProxyError } from '../../errors.ts';
import { hasToken, isLoopback, refusalOf } from './admin-guard.ts';

/** What a route gets: a Hono context on Node. */
export type AdminContext = Context<{ Bindings: HttpBindings }>;

/** One thing that the admin listener serves. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** `page` is for files without a secret, which a browser has to load before it can send a token. */
  readonly access: 'token' | 'page';
  readonly handle: (context: AdminContext) => Response | Promise<Response>;
}

export interface AdminAuth {
  /** Asked for on every route but pages; may be absent on a loopback address only. */
  readonly token: string | undefined;
  /** `NAME` or `NAME:PORT` under which the listener may be asked, beside its own addresses; lower case. */
  readonly hosts?: readonly string[];
}

export interface AdminServerOptions {
  readonly address: ListenAddress;
  /** Name of the variable that the address comes from. */
  readonly addressSetting: string;
  readonly auth: AdminAuth;
  readonly routes: readonly AdminRoute[];
  readonly logger: Logger;
}

export interface AdminServer {
  readonly address: ListenAddress;
  /** Stops listening and drops what is open. */
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 64;

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/**
 * Serves the admin routes, guarded against other sites, against rebound names, and by a token.
 *
 * Rejects with `ERR_LISTEN`, and with `ERR_SETTINGS_INVALID` for an address that other machines reach without a
 * token. There is no CORS: no other origin may read anything.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { address, addressSetting, auth, routes, logger } = options;
  if (auth.token === undefined && !isLoopback(address.host)) {
    throw new EdgeProxyError(
      'ERR_SETTINGS_INVALID',
      `${addressSetting}: other machines reach ${address.host}, so the admin listener needs a token there`,
    );
  }
  const answer = getRequestListener(createApp(auth, routes, logger).fetch, { overrideGlobalObjects: false });
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000 },
    (request, response) => void answer(request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  return { address: await listen(server, address, addressSetting), close: () => close(server) };
}

function createApp({ token, hosts = [] }: AdminAuth, routes: readonly AdminRoute[], logger: Logger) {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.use(async (context, next) => {
    const { localAddress = '', localPort = 0 } = context.env.incoming.socket;
    const refusal = refusalOf(
      {
        host: context.req.header('host'),
        fetchSite: context.req.header('sec-fetch-site'),
        origin: context.req.header('origin'),
        local: { host: localAddress, port: localPort },
      },
      hosts,
    );
    if (refusal === undefined) await next();
    else {
      logger.debug({ path: context.req.path, refusal }, 'admin request refused');
      context.res = context.text(`${refusal}\n`, 403);
    }
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
      if (!context.res.headers.has(name)) context.res.headers.set(name, value);
    }
  });
  for (const { method, path, access, handle } of routes) {
    app.on(method, path, (context) => {
      if (access === 'page' || token === undefined || hasToken(context.req.header('authorization'), token)) {
        return handle(context);
      }
      return context.text('send the admin token as Authorization: Bearer TOKEN\n', 401, {
        'www-authenticate': 'Bearer realm="edgeproxy admin"',
      });
    });
  }
  app.notFound((context) => context.text('nothing is served here\n', 404));
  app.onError((error, context) => {
    logger.error({ error: error.message, path: context.req.path }, 'admin listener failed to answer');
    return context.text('internal error\n', 500);
  });
  return app;
}

function listen(server: Server, { host, port }: ListenAddress, setting: string): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(setting, { host, port }, error)));
    server.listen(port, host, () => {
      const { address, port: bound } = server.address() as AddressInfo;
      resolve({ host: address, port: bound });
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
