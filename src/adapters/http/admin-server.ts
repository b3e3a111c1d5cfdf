import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { normalizeAddress } from '../../domain/address.ts';
import { limitedWarning } from '../../domain/limited-log.ts';
import { listenError } from '../../domain/listen-error.ts';
import type { ListenAddress, Logger, MonotonicClock } from '../../domain/ports.ts';
import { EdgeProxyError } from '../../errors.ts';
import { type AdminRoute, createAdminApp } from './admin-app.ts';
import { isLoopback, type ServedHosts } from './admin-guard.ts';
import { ConnectionPlaces, type PlaceLimits } from './connection-places.ts';

export interface AdminLimits extends PlaceLimits {
  /** Time for a complete request head, also when nothing of it comes. */
  readonly headMs: number;
  /** Time in which a client has to take something of what it is sent. */
  readonly stallMs: number;
}

export interface AdminServerOptions {
  readonly address: ListenAddress;
  /** Name of the variable that the address comes from. */
  readonly addressSetting: string;
  /** Asked for on every route but pages; may be absent on a loopback address only. */
  readonly token: string | undefined;
  readonly hosts: ServedHosts;
  readonly routes: readonly AdminRoute[];
  readonly logger: Logger;
  readonly now: MonotonicClock;
  /** Default: 64 connections, 32 of them of one address; 5 s for a head, 30 s to take something. */
  readonly limits?: Partial<AdminLimits>;
}

export interface AdminServer {
  readonly address: ListenAddress;
  /** Stops listening and drops what is open. */
  close(): Promise<void>;
}

const LIMITS: AdminLimits = { maxConnections: 64, maxPerAddress: 32, headMs: 5_000, stallMs: 30_000 };

const REQUEST_MS = 10_000;

/** How often connections without a complete head are looked for, at least. */
const CHECK_MS = 1_000;

const KEEP_ALIVE_MS = 30_000;

/**
 * Serves the admin routes, guarded against other sites, against rebound names, and by a token.
 *
 * Rejects with `ERR_LISTEN`, and with `ERR_SETTINGS_INVALID` for an address that other machines reach without a
 * token.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { address, addressSetting, token, hosts, routes, logger, now } = options;
  if (token === undefined && !isLoopback(address.host)) {
    throw new EdgeProxyError(
      'ERR_SETTINGS_INVALID',
      `${addressSetting}: other machines reach ${address.host}, so the admin listener needs a token there`,
    );
  }
  const { headMs, stallMs, ...placeLimits } = { ...LIMITS, ...options.limits };
  const places = new ConnectionPlaces(placeLimits);
  const full = limitedWarning(logger, 'admin listener has no place for a connection', now);
  const app = createAdminApp({
    token,
    hosts,
    routes,
    logger,
    now,
    onLetIn: ({ incoming, outgoing }) => places.hold(incoming.socket, outgoing),
  });
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer(
    {
      headersTimeout: headMs,
      requestTimeout: Math.max(headMs, REQUEST_MS),
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
  return { address: await listen(server, address, addressSetting, logger), close: () => close(server) };
}

function listen(
  server: Server,
  { host, port }: ListenAddress,
  setting: string,
  logger: Logger,
): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(setting, { host, port }, error)));
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      server.on('error', (error) =>
        logger.error({ error: error.message }, 'admin listener reported an error'),
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
