import { once } from 'node:events';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DaemonAddresses } from '../../src/daemon.ts';
import { aPair, anAuthority, writePair } from '../support/certificates.ts';
import type { DaemonProcess } from '../support/daemon.ts';
import { aClient, aDaemon, aDatabase, opsAnswer, putBackends, untilApplied } from '../support/edge.ts';
import { askApi } from '../support/registration.ts';
import { SEED_EXAMPLE, SEED_METRICS } from '../support/seed.ts';
import { readAll, tcpConnect } from '../support/sockets.ts';
import { aFolder } from '../support/tls.ts';
import { until } from '../support/until.ts';

const ANY_PORT = '0.0.0.0:0';
const STORM = 400;

/** An HTTP server that says its name, and that it is well at `/health` as long as it is. */
async function anHttpBackend(name: string) {
  const seen = { probes: 0 };
  const server = createServer((asked, answer) => {
    if (asked.url === '/health') seen.probes += 1;
    answer.end(asked.url === '/health' ? 'well' : name);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  return { name, port, seen, close };
}

/** What the backend of a new connection from this address says its name is. */
async function answerOf(port: number, localAddress = '127.0.0.1'): Promise<string> {
  const client = await tcpConnect(port, '127.0.0.1', { localAddress });
  client.write('GET / HTTP/1.0\r\n\r\n');
  return (await readAll(client)).toString().split('\r\n').at(-1)!;
}

/** The same over TLS, the certificate verified. */
function secureAnswerOf(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { host: '127.0.0.1', port, ca, servername: 'edge.test', agent: false },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => (text += part));
        answer.once('end', () => resolve(text));
      },
    );
    asking.once('error', reject).end();
  });
}

async function untilAtLeast(daemon: DaemonProcess, series: string, least: number): Promise<void> {
  await until(async () => ((await daemon.metric(series)) ?? 0) >= least, { what: `${series} of ${least}` });
}

describe('the production example', () => {
  it('starts as it stands, but for names, ports and paths, and does all that it switches on', async () => {
    const [database, folder, inSql, registered] = await Promise.all([
      aDatabase(),
      aFolder(),
      anHttpBackend('sql'),
      anHttpBackend('registered'),
    ]);
    const authority = await anAuthority();
    const files = await writePair(folder, await aPair({ authority }));
    const daemon = await aDaemon({
      env: {
        ...SEED_EXAMPLE,
        EDGEPROXY_LISTEN_ADDR: ANY_PORT,
        EDGEPROXY_POSTGRES_URL: database.url,
        EDGEPROXY_TLS_LISTEN_ADDR: ANY_PORT,
        EDGEPROXY_TLS_CERT: files.cert,
        EDGEPROXY_TLS_KEY: files.key,
        EDGEPROXY_API_LISTEN_ADDR: ANY_PORT,
        EDGEPROXY_METRICS_LISTEN_ADDR: ANY_PORT,
      },
    });
    const { tls, api } = (await daemon.log('accepting clients')) as unknown as DaemonAddresses;

    // Serves what is inserted, and what registers with the token that nobody had to set.
    await putBackends(database, { id: 'sql', port: inSql.port });
    await untilApplied(daemon, 1);
    expect(await answerOf(daemon.port)).toBe('sql');
    expect(await secureAnswerOf(tls!.port, authority.cert)).toBe('sql');
    const body = { id: 'registered', app: 'test', region: 'sa', ip: '127.0.0.1', port: registered.port };
    expect((await askApi(api!.port, '/api/v1/register', { body })).status).toBe(401);
    const token = (await readFile(join(daemon.stateDir, 'api-token'), 'utf8')).trim();
    const headers = { authorization: `Bearer ${token}` };
    expect((await askApi(api!.port, '/api/v1/register', { body, headers })).status).toBe(201);
    await untilApplied(daemon, 2);

    // Checks.
    for (const { name, seen } of [inSql, registered]) {
      await until(() => seen.probes > 0, { what: `a probe of ${name}` });
      await untilAtLeast(daemon, `edgeproxy_backend_healthy{backend="${name}"}`, 1);
    }

    // Keeps connections warm.
    await until(
      async () => {
        const name = await answerOf(daemon.port);
        return ((await daemon.metric(`edgeproxy_pool_hits_total{backend="${name}"}`)) ?? 0) > 0;
      },
      { what: 'a client on a warm connection' },
    );

    // Limits the rate of a client.
    const limited = { localAddress: '127.0.0.2' };
    await until(
      async () => {
        const clients = await Promise.all(
          Array.from({ length: STORM }, () => tcpConnect(daemon.port, '127.0.0.1', limited)),
        );
        for (const client of clients) client.destroy();
        return ((await daemon.metric('edgeproxy_connections_refused_total{reason="rate_limited"}')) ?? 0) > 0;
      },
      { what: 'a refusal for its rate' },
    );

    // Breaks the circuit of who has gone, and nobody notices. Each client is bound to nobody yet.
    await inSql.close();
    let clients = 0;
    await until(
      async () => {
        expect(await answerOf(daemon.port, `127.0.1.${(clients++ % 250) + 1}`)).toBe('registered');
        return (await daemon.metric('edgeproxy_circuit_state{backend="sql"}')) === 2;
      },
      { what: 'an open circuit' },
    );

    // Is scraped.
    const text = (await opsAnswer(daemon, '/metrics')).body;
    for (const [name, type] of Object.entries(SEED_METRICS))
      expect(text).toContain(`# TYPE ${name} ${type}\n`);

    // Drains.
    const client = await aClient(daemon.port);
    client.write('GET / HTTP/1.1\r\nHost: edge\r\n');
    await untilAtLeast(daemon, 'edgeproxy_connections_active', 1);
    daemon.child.kill('SIGTERM');
    await daemon.log('draining');
    client.end('Connection: close\r\n\r\n');
    expect((await readAll(client)).toString()).toMatch(/\r\nregistered$/);
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
    expect(daemon.stderr()).toBe('');
  });
});
