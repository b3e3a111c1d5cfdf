import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { listenError } from '../../domain/listen-error.ts';
import type { ListenAddress, Logger } from '../../domain/ports.ts';

export interface OpsServerOptions {
  readonly address: ListenAddress;
  readonly metricsPath: string;
  readonly metricsContentType: string;
  readonly scrape: () => Promise<string>;
  /** `undefined` when ready, otherwise why not. */
  readonly notReady: () => string | undefined;
  readonly logger: Logger;
}

export interface OpsServer {
  readonly address: ListenAddress;
  /** Stops listening and drops what is open. */
  close(): Promise<void>;
}

/** Serves the metrics, `/healthz` (200 while the process lives) and `/readyz` (503 with the reason when not). */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const { address, metricsPath, metricsContentType, scrape, notReady, logger } = options;
  const app = new Hono();
  app.get(metricsPath, async (context) =>
    context.body(await scrape(), 200, { 'content-type': metricsContentType }),
  );
  app.get('/healthz', (context) => context.text('ok\n'));
  app.get('/readyz', (context) => {
    const reason = notReady();
    return reason === undefined ? context.text('ready\n') : context.text(`${reason}\n`, 503);
  });
  app.onError((error, context) => {
    logger.error({ error: error.message, path: context.req.path }, 'metrics listener failed to answer');
    return context.text('internal error\n', 500);
  });
  const answer = getRequestListener(app.fetch);
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000 },
    (request, response) => void answer(request, response),
  );
  return { address: await listen(server, address, logger), close: () => close(server) };
}

function listen(server: Server, { host, port }: ListenAddress, logger: Logger): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(listenError('EDGEPROXY_METRICS_LISTEN_ADDR', { host, port }, error)),
    );
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      server.on('error', (error) =>
        logger.error({ error: error.message }, 'metrics listener reported an error'),
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
