import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { HealthCheck, HealthCheckSettings } from '../../../src/domain/health.ts';
import { once, startTcpBackend } from '../../support/sockets.ts';

export const LOOPBACK = '127.0.0.1';

export const TCP: HealthCheck = { type: 'tcp' };

export const http = (path = '/health', expectedStatus = 200): HealthCheck => ({
  type: 'http',
  path,
  expectedStatus,
});

export const settings = (check: HealthCheck, timeoutMs = 5_000): HealthCheckSettings => ({
  check,
  timeoutMs,
  intervalMs: 5_000,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
});

/** A signal that is never raised. */
export const wanted = (): AbortSignal => new AbortController().signal;

/** A TCP server for the running test. */
export async function tcpServer(onConnection: (socket: Socket) => void = () => {}, host = LOOPBACK) {
  const backend = await startTcpBackend(onConnection, { host, allowHalfOpen: true });
  onTestFinished(() => backend.close());
  return backend;
}

/** An HTTP server for the running test. */
export async function httpServer(onRequest: RequestListener, host = LOOPBACK) {
  const server = createServer(onRequest);
  server.listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { host, port: (server.address() as AddressInfo).port, server };
}
