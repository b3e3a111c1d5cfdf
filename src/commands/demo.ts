import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../adapters/embedded-postgres/cluster.ts';
import { initialize } from '../adapters/postgres/initialize.ts';
import { createPostgresPool } from '../adapters/postgres/pool.ts';
import { startConfiguration } from '../config/configuration.ts';
import type { Environment } from '../config/environment.ts';
import type { DaemonAddresses } from '../daemon.ts';
import { runUntilStopped } from './run.ts';

const HOST = '127.0.0.1';

/** Clients of 127.0.0.1 count as Brazilian, those of 127.0.0.2 as American. */
const FILE = {
  path: 'demo.toml',
  content: `
[geoip.cidrs]
"127.0.0.1/32" = "BR"
"127.0.0.2/32" = "US"
`,
};

const BACKENDS = [
  { id: 'sa-1', region: 'sa', country: 'BR' },
  { id: 'sa-2', region: 'sa', country: 'BR' },
  { id: 'us-1', region: 'us', country: 'US' },
] as const;

/**
 * Shows the daemon at work, until a signal stops it: an embedded PostgreSQL, three HTTP backends in two regions, and
 * a daemon with every feature on. Everything is private to the demo and gone after it; variables of the environment
 * override its settings.
 */
export async function demo(env: Environment): Promise<number> {
  const postgres = await startEmbeddedPostgres();
  const stateDir = await mkdtemp(join(tmpdir(), 'edgeproxy-demo-'));
  const servers: Server[] = [];
  try {
    await Promise.all(
      BACKENDS.map(async ({ id }, index) => {
        servers[index] = await startBackend(id);
      }),
    );
    await insertBackends(postgres.url, servers);
    const configuration = startConfiguration(
      {
        EDGEPROXY_LISTEN_ADDR: `${HOST}:${await preferPort(8080)}`,
        EDGEPROXY_METRICS_ENABLED: 'true',
        EDGEPROXY_METRICS_LISTEN_ADDR: `${HOST}:${await preferPort(9090)}`,
        EDGEPROXY_POSTGRES_ENABLED: 'true',
        EDGEPROXY_POSTGRES_URL: postgres.url,
        EDGEPROXY_STATE_DIR: stateDir,
        EDGEPROXY_ADMIN_ENABLED: 'true',
        EDGEPROXY_ADMIN_LISTEN_ADDR: `${HOST}:${await preferPort(8082)}`,
        EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'true',
        EDGEPROXY_HEALTH_CHECK_ENABLED: 'true',
        EDGEPROXY_HEALTH_CHECK_TYPE: 'http',
        ...env,
        // The file of the demo is on no disk.
        EDGEPROXY_CONFIG_WATCH_ENABLED: 'false',
      },
      { file: FILE, rows: [] },
      hostname(),
    );
    await runUntilStopped(configuration, {
      hangUp: 'stop',
      onStarted: (addresses) =>
        void process.stdout.write(banner(addresses, configuration.inForce.postgres.url ?? postgres.url)),
    });
    return 0;
  } finally {
    await Promise.all(Object.values(servers).map(stopBackend));
    await postgres.stop();
    await rm(stateDir, { recursive: true, force: true });
  }
}

function banner({ proxy, metrics, admin }: DaemonAddresses, url: string): string {
  const sql = `EDGEPROXY_POSTGRES_URL=${url} npm run -s edgeproxy -- sql`;
  return `
  edgeproxy demo

  proxy      ${HOST}:${proxy.port}
  metrics    http://${HOST}:${metrics?.port}/metrics
  machines   http://${HOST}:${admin?.port}/inspect
  database   ${url}
  backends   sa-1 and sa-2 in Brazil, us-1 in the United States; probed every 5 s, behind circuit breakers

  Ask for a page, from Brazil and from the United States:
    curl http://${HOST}:${proxy.port}/
    curl --interface 127.0.0.2 http://${HOST}:${proxy.port}/

  Take the one out that answered (sa-1 or sa-2), and ask again; put it back with healthy = 1:
    ${sql} "UPDATE backends SET healthy = 0 WHERE id = 'sa-1'"

  See them all:
    ${sql} "SELECT id, region, country, healthy, weight, hard_limit FROM backends ORDER BY id"

  Ctrl+C takes everything down.

`;
}

async function insertBackends(url: string, servers: readonly Server[]): Promise<void> {
  const pool = createPostgresPool({
    url,
    maxConnections: 1,
    minConnections: 0,
    connectTimeoutMs: 5_000,
    queryTimeoutMs: 5_000,
    onError: () => {},
  });
  try {
    await initialize(pool);
    const statement =
      'INSERT INTO backends (id, app, region, country, wg_ip, port) VALUES ($1, $2, $3, $4, $5, $6)';
    await Promise.all(
      BACKENDS.map(({ id, region, country }, index) =>
        pool.query(statement, [id, 'demo', region, country, HOST, portOf(servers[index]!)]),
      ),
    );
  } finally {
    await pool.close();
  }
}

/** An HTTP server that says who it is. */
function startBackend(id: string): Promise<Server> {
  const server = createServer((_, response) => response.end(`hello from ${id}\n`));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, HOST, () => resolve(server));
  });
}

function stopBackend(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** The port, when it is free on the loopback address; otherwise 0, which lets the system choose. */
function preferPort(port: number): Promise<number> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(0));
    probe.listen(port, HOST, () => probe.close(() => resolve(port)));
  });
}
