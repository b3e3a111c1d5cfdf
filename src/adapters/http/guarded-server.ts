import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { normalizeAddress } from '../../domain/address.ts';
import { limitedWarning } from '../../domain/limited-log.ts';
import { listenError } from '../../domain/listen-error.ts';
import type { ListenAddress } from '../../domain/ports.ts';
import { EdgeProxyError } from '../../errors.ts';
import { ConnectionPlaces, type PlaceLimits } from './connection-places.ts';
import { createGuardedApp, type GuardedAppOptions } from './guarded-app.ts';
import { isLoopback } from './request-guard.ts';

export interface ListenerLimits extends PlaceLimits {
  /** Time for a complete request head, also when nothing of it comes. */
  readonly headMs: number;
  /** Time for a complete request, its body included. */
  readonly requestMs: number;
  /** Time in which a client has to take something of what it is sent. */
  readonly stallMs: number;
}

export interface GuardedServerOptions extends Omit<GuardedAppOptions, 'onLetIn'> {
  readonly address: ListenAddress;
  /** Name of the variable that the address comes from. */
  readonly addressSetting: string;
  /** Whoever reaches it may ask it, under any name, where there is no token: what it serves is for everybody there. */
  readonly isPublic?: boolean;
  /** Default: 64 connections, 32 of them of one address; 5 s for a head, 10 s for a request, 30 s to take something. */
  readonly limits?: Partial<ListenerLimits>;
}

export interface GuardedServer {
  readonly address: ListenAddress;
  /** Stops listening and drops what is open. */
  close(): Promise<void>;
}

const LIMITS: ListenerLimits = {
  maxConnections: 64,
  maxPerAddress: 32,
  headMs: 5_000,
  requestMs: 10_000,
  stallMs: 30_000,
};

/** How often connections without a complete head are looked for, at least. */
const CHECK_MS = 1_000;

const KEEP_ALIVE_MS = 30_000;

/**
 * Serves routes, guarded against other sites, against rebound names, by roles, and against too many connections.
 *
 * Rejects with `ERR_LISTEN`, and, unless it is public, with `ERR_SETTINGS_INVALID` for an address that other machines
 * reach without a token, and for one that may be asked under any name without one.
 */
export async function startGuardedServer(options: GuardedServerOptions): Promise<GuardedServer> {
  const { address, addressSetting, name, tokens, hosts, isPublic = false, logger, now } = options;
  if (tokens.length === 0 && !isPublic && (hosts === undefined || !isLoopback(address.host))) {
    throw new EdgeProxyError(
      'ERR_SETTINGS_INVALID',
      `${addressSetting}: other machines reach ${address.host}, so the ${name} listener needs a token there`,
    );
  }
  const { headMs, requestMs, stallMs, ...placeLimits } = { ...LIMITS, ...options.limits };
  const places = new ConnectionPlaces(placeLimits);
  const full = limitedWarning(logger, `${name} listener has no place for a connection`, now);
  const app = createGuardedApp({
    ...options,
    onLetIn: ({ incoming, outgoing }) => places.hold(incoming.socket, outgoing),
  });
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer(
    {
      headersTimeout: headMs,
      requestTimeout: Math.max(headMs, requestMs),
      connectionsCheckingInterval: Math.min(headMs, CHECK_MS),
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    },
    (request, response) => void answer(request, response),
  );
  server.setTimeout(stallMs);
  server.on('connection', (socket) => {
    if (places.enter(socket)) return;
    full.warn({ address: normalizeAddress(socket.remoteAddress ?? '') });
    socket.destroy();
  });
  return { address: await listen(server, options), close: () => close(server) };
}

function listen(
  server: Server,
  { address: { host, port }, addressSetting, name, logger }: GuardedServerOptions,
): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(addressSetting, { host, port }, error)));
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      server.on('error', (error) =>
        logger.error({ error: error.message }, `${name} listener reported an error`),
      );
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
