import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { normalizeAddress } from '../../domain/address.ts';
import { limitedWarning } from '../../domain/limited-log.ts';
import type { Logger, MonotonicClock } from '../../domain/ports.ts';
import { hasToken, refusalOf, type ServedHosts } from './admin-guard.ts';

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

export interface AdminAppOptions {
  /** Asked for on every route but pages; `undefined` lets everybody in. */
  readonly token: string | undefined;
  readonly hosts: ServedHosts;
  readonly routes: readonly AdminRoute[];
  readonly logger: Logger;
  readonly now: MonotonicClock;
  /** A request has been let in. */
  readonly onLetIn: (bindings: HttpBindings) => void;
}

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** What of a header is logged: a client may send anything. */
const MAX_LOGGED = 100;

const remoteOf = ({ env }: AdminContext): string => normalizeAddress(env.incoming.socket.remoteAddress ?? '');

/** The admin routes behind their guards. There is no CORS: no other origin may read anything. */
export function createAdminApp(options: AdminAppOptions): Hono<{ Bindings: HttpBindings }> {
  const { token, hosts, routes, logger, now, onLetIn } = options;
  const refused = limitedWarning(logger, 'admin request refused', now);
  const notKnown = limitedWarning(logger, 'admin request without the token', now);
  const pages = new Set(routes.filter(({ access }) => access === 'page').map(({ path }) => path));
  const app = new Hono<{ Bindings: HttpBindings }>();

  function refusal({ env, req }: AdminContext): string | undefined {
    const { localAddress = '', localPort = 0 } = env.incoming.socket;
    return refusalOf(
      {
        host: req.header('host'),
        fetchSite: req.header('sec-fetch-site'),
        fetchMode: req.header('sec-fetch-mode'),
        fetchDest: req.header('sec-fetch-dest'),
        origin: req.header('origin'),
        isPage: req.method === 'GET' && pages.has(req.path),
        local: { host: localAddress, port: localPort },
      },
      hosts,
    );
  }

  app.use(async (context, next) => {
    const reason = refusal(context);
    if (reason === undefined) await next();
    else {
      const host = context.req.header('host')?.slice(0, MAX_LOGGED);
      refused.warn({ address: remoteOf(context), host, reason });
      context.res = context.text(`${reason}\n`, 403);
    }
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
      if (!context.res.headers.has(name)) context.res.headers.set(name, value);
    }
  });
  for (const { method, path, access, handle } of routes) {
    app.on(method, path, (context) => {
      if (access === 'page') return handle(context);
      const authorization = context.req.header('authorization');
      if (token === undefined || hasToken(authorization, token)) {
        onLetIn(context.env);
        return handle(context);
      }
      const reason = authorization === undefined ? 'no token' : 'wrong token';
      notKnown.warn({ address: remoteOf(context), reason });
      return context.text('send the admin token as Authorization: Bearer TOKEN\n', 401, {
        'www-authenticate': 'Bearer realm="edgeproxy admin"',
      });
    });
  }
  app.notFound((context) => context.text('nothing is served here\n', 404));
  app.onError((error, context) => {
    const line = { error: error.message, path: context.req.path };
    // Whoever has left waits for no answer: a drawing, for example, was given up because the listener closed.
    if (!context.env.incoming.socket.destroyed) logger.error(line, 'admin listener failed to answer');
    return context.text('internal error\n', 500);
  });
  return app;
}
