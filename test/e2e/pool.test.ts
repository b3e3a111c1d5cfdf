import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { runCli, type DaemonProcess } from '../support/daemon.ts';
import { aClient, anEchoBackend, anEdge, exchange, putBackends, untilApplied } from '../support/edge.ts';
import { until } from '../support/until.ts';

const POOL = { EDGEPROXY_POOL_ENABLED: 'true', EDGEPROXY_POOL_MAX_PER_BACKEND: '3' };
const CLIENTS = 40;

const series = (name: string): string => `edgeproxy_pool_${name}{backend="a"}`;
const discarded = (reason: string): string => `edgeproxy_pool_discarded_total{reason="${reason}"}`;

async function numbersOf(daemon: DaemonProcess) {
  const [hits, misses, warm] = await Promise.all(
    [series('hits_total'), series('misses_total'), series('connections')].map((name) => daemon.metric(name)),
  );
  return { hits: hits!, misses: misses!, warm: warm! };
}

async function aPooledEdge(env: Readonly<Record<string, string>>) {
  const backend = await anEchoBackend();
  return { backend, ...(await anEdge([{ id: 'a', port: backend.port }], { env: { ...POOL, ...env } })) };
}

async function serve(port: number, word: string): Promise<Socket> {
  const client = await aClient(port);
  await exchange(client, word);
  return client;
}

describe.each([
  ['portable', { EDGEPROXY_ENGINE: 'net' }],
  ['epoll', { EDGEPROXY_ENGINE: 'epoll', EDGEPROXY_THREADS: '2' }],
] as const)('the pool of a daemon on the %s engine', (name, engine) => {
  const isHere = name === 'portable' || process.platform === 'linux';

  it.runIf(isHere)('spares clients the handshake, says so, and follows its backends', async () => {
    const { backend, daemon, database } = await aPooledEdge(engine);
    for (let round = 0; round < CLIENTS; round++) (await serve(daemon.port, `word ${round}`)).destroy();
    await until(async () => (await numbersOf(daemon)).warm > 0, { what: 'warm connections' });
    const { hits, misses, warm } = await numbersOf(daemon);
    expect(hits + misses).toBe(CLIENTS);
    expect(hits).toBeGreaterThan(0);
    expect(warm).toBeLessThanOrEqual(3);
    expect(await daemon.metric('edgeproxy_backend_connections_total{backend="a"}')).toBe(CLIENTS);
    expect(await daemon.metric('edgeproxy_backend_errors_total{backend="a"}')).toBe(0);
    expect(await daemon.metric('edgeproxy_backend_rtt_seconds_count{backend="a"}')).toBe(CLIENTS);
    await until(() => backend.sockets.length <= 3, { what: 'no more than the cap' });

    // Down by hand: nothing stays open there.
    await putBackends(database, { id: 'a', port: backend.port, healthy: 0 });
    await untilApplied(daemon, 0, 1);
    await until(() => backend.sockets.length === 0, { what: 'no connection' });
    expect(await daemon.metric(discarded('backend_left'))).toBeGreaterThan(0);

    await putBackends(database, { id: 'a', port: backend.port });
    await untilApplied(daemon, 1, 0);
    const client = await serve(daemon.port, 'again');
    await until(async () => (await numbersOf(daemon)).warm > 0, { what: 'warm ones again' });
    await until(() => backend.sockets.length > 1, { what: 'them at the backend' });
    daemon.child.kill('SIGTERM');
    // The client is waited for, what is warm is not.
    await until(() => backend.sockets.length === 1, { what: 'the client alone' });
    await exchange(client, 'still here');
    client.end();
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
  });

  it.runIf(isHere)('is not there when it is off', async () => {
    const { backend, daemon } = await aPooledEdge({ ...engine, EDGEPROXY_POOL_ENABLED: 'false' });
    for (let round = 0; round < 5; round++) (await serve(daemon.port, 'hello')).destroy();
    expect(backend.connections).toBe(5);
    expect(await daemon.metric(series('hits_total'))).toBeUndefined();
  });
});

describe('a daemon', () => {
  it('does not start with a pool of connections that begin with PROXY headers, and says why', async () => {
    const { code, stderr } = await runCli(['run'], { ...POOL, EDGEPROXY_PROXY_PROTOCOL_SEND: 'v1' });
    expect(code).toBe(2);
    expect(stderr).toBe(
      'edgeproxy: EDGEPROXY_POOL_ENABLED = true: expected false, because EDGEPROXY_PROXY_PROTOCOL_SEND is v1, ' +
        'and a PROXY header says for whom a connection is made\n',
    );
  });
});
