import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { mayDo, type Role, type RoleToken } from '../../domain/access.ts';
import { normalizeAddress } from '../../domain/address.ts';
import { limitedWarning } from '../../domain/limited-log.ts';
import type { Logger, MonotonicClock } from '../../domain/ports.ts';
import { bearerOf, refusalOf, roleOf, type ServedHosts } from './request-guard.ts';

/** What a route gets: a Hono context on Node. */
export type GuardedContext = Context<{ Bindings: HttpBindings }>;

/** Who asks. */
export interface Caller {
  readonly address: string;
  /** By its token; `undefined` where no token is asked for. */
  readonly role: Role | undefined;
}

/** One thing that a listener serves. */
export interface GuardedRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** The least role that may; `page` is for what holds no secret and is there before a browser can send a token. */
  readonly access: Role | 'page';
  readonly handle: (context: GuardedContext, caller: Caller) => Response | Promise<Response>;
}

export interface GuardedAppOptions {
  /** In texts and log lines, such as `admin`. */
  readonly name: string;
  /** One of them is asked for on every route but pages; none of them lets everybody in. */
  readonly tokens: readonly RoleToken[];
  /** Names that may be asked for; `undefined` for any: a rebound name has no token. */
  readonly hosts: ServedHosts | undefined;
  /** How refusals are worded: a line of text, or `{"error": …}` to requests under a path. Default `text`. */
  readonly errors?: 'text' | 'json' | { readonly jsonUnder: string };
  /** Whether an address may ask once more; what it may not is answered by 429. Default: as often as it likes. */
  readonly admit?: ((address: string) => boolean) | undefined;
  readonly routes: readonly GuardedRoute[];
  readonly logger: Logger;
  readonly now: MonotonicClock;
  /** A request has been let in. */
  readonly onLetIn: (bindings: HttpBindings) => void;
  /** A request has been answered. */
  readonly onAnswered?: (status: number) => void;
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

const remoteOf = ({ env }: GuardedContext): string =>
  normalizeAddress(env.incoming.socket.remoteAddress ?? '');

/** Whoever accepts plain text gets that. */
function isUnder({ req }: GuardedContext, path: string): boolean {
  return req.path.startsWith(path) && req.header('accept')?.includes('text/plain') !== true;
}

/** The routes of a listener behind its guards. There is no CORS: no other origin may read anything. */
export function createGuardedApp(options: GuardedAppOptions): Hono<{ Bindings: HttpBindings }> {
  const { name, tokens, hosts, routes, logger, now, onLetIn, onAnswered, admit, errors = 'text' } = options;
  const refused = limitedWarning(logger, `${name} request refused`, now);
  const notKnown = limitedWarning(logger, `${name} request without the token`, now);
  const tooMany = limitedWarning(logger, `${name} requests come too often`, now);
  const pages = new Set(routes.filter(({ access }) => access === 'page').map(({ path }) => path));
  const app = new Hono<{ Bindings: HttpBindings }>();

  function answer(
    context: GuardedContext,
    status: ContentfulStatusCode,
    reason: string,
    headers: Record<string, string> = {},
  ): Response {
    const isJson = typeof errors === 'string' ? errors === 'json' : isUnder(context, errors.jsonUnder);
    return isJson
      ? context.json({ error: reason }, status, headers)
      : context.text(`${reason}\n`, status, headers);
  }

  function refusal({ env, req }: GuardedContext): string | undefined {
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

  function guard(context: GuardedContext): Response | undefined {
    if (admit !== undefined && !admit(remoteOf(context))) {
      tooMany.warn({ address: remoteOf(context) });
      return answer(context, 429, 'this address asks too often, wait a second', { 'retry-after': '1' });
    }
    const reason = refusal(context);
    if (reason === undefined) return undefined;
    const host = context.req.header('host')?.slice(0, MAX_LOGGED);
    refused.warn({ address: remoteOf(context), host, reason });
    return answer(context, 403, reason);
  }

  /** Who asks, or the answer to somebody who may not. Source of the challenges: RFC 6750, section 3. */
  function identify(context: GuardedContext, access: Role): Caller | Response {
    const address = remoteOf(context);
    if (tokens.length === 0) return { address, role: undefined };
    const realm = `Bearer realm="edgeproxy ${name}"`;
    const bearer = bearerOf(context.req.header('authorization'));
    if (bearer === undefined) {
      notKnown.warn({ address, reason: 'no token' });
      return answer(context, 401, `send the ${name} token as Authorization: Bearer TOKEN`, {
        'www-authenticate': realm,
      });
    }
    const role = roleOf(bearer, tokens);
    if (role === undefined) {
      notKnown.warn({ address, reason: 'wrong token' });
      return answer(context, 401, `this token is not known, send the ${name} token`, {
        'www-authenticate': `${realm}, error="invalid_token"`,
      });
    }
    if (mayDo(role, access)) return { address, role };
    notKnown.warn({ address, reason: `token of the role ${role}, expected ${access}` });
    return answer(context, 403, `this token is of the role ${role}, expected one of the role ${access}`, {
      'www-authenticate': `${realm}, error="insufficient_scope", scope="${access}"`,
    });
  }

  app.use(async (context, next) => {
    const refusalAnswer = guard(context);
    if (refusalAnswer === undefined) await next();
    else context.res = refusalAnswer;
    for (const [header, value] of Object.entries(SECURITY_HEADERS)) {
      if (!context.res.headers.has(header)) context.res.headers.set(header, value);
    }
    onAnswered?.(context.res.status);
  });
  for (const { method, path, access, handle } of routes) {
    app.on(method, path, (context) => {
      if (access === 'page') return handle(context, { address: remoteOf(context), role: undefined });
      const caller = identify(context, access);
      if (caller instanceof Response) return caller;
      onLetIn(context.env);
      return handle(context, caller);
    });
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const allowed = routes.filter((route) => route.path === path).map(({ method }) => method);
    app.all(path, (context) =>
      answer(context, 405, `${context.req.method} is not served here, only ${allowed.join(', ')}`, {
        allow: allowed.join(', '),
      }),
    );
  }
  app.notFound((context) => answer(context, 404, 'nothing is served here'));
  app.onError((error, context) => {
    const line = { error: error.message, path: context.req.path };
    // Whoever has left waits for no answer: a drawing, for example, was given up because the listener closed.
    if (!context.env.incoming.socket.destroyed) logger.error(line, `${name} listener failed to answer`);
    return answer(context, 500, 'internal error');
  });
  return app;
}
