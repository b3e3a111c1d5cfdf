import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type DaemonProcess, type Env, startDaemon } from '../support/daemon.ts';
import { freePort, once, readAll, startTcpBackend, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface StaticBackend {
  readonly id: string;
  readonly port: number;
  /** More keys of its `[[backends]]` table, as TOML. */
  readonly more?: string;
}

/** A daemon with these static backends. */
async function aDaemon(backends: readonly StaticBackend[], env: Env): Promise<DaemonProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'edgeproxy-checks-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'edgeproxy.toml');
  const tables = backends.map(
    ({ id, port, more = '' }) =>
      `[[backends]]\nid = "${id}"\napp = "x"\nregion = "sa"\ncountry = "BR"\nwg_ip = "127.0.0.1"\nport = ${port}\n${more}\n`,
  );
  await writeFile(path, tables.join('\n'));
  const daemon = await startDaemon({
    env: { EDGEPROXY_CONFIG: path, EDGEPROXY_BINDING_TTL_SECS: '0', EDGEPROXY_CONNECT_ATTEMPTS: '1', ...env },
  });
  cleanups.push(() => daemon.dispose());
  return daemon;
}

/** Connects once; resolves with what the backend says until its FIN, '' when refused. */
async function ask(port: number): Promise<string> {
  return (await readAll(await tcpConnect(port))).toString();
}

const changes = (daemon: DaemonProcess, msg: string, field: string): readonly unknown[] =>
  daemon.logs.filter((line) => line.msg === msg).map((line) => line[field]);

describe('circuit breaker', () => {
  const BREAKER = { EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'true', EDGEPROXY_CIRCUIT_TIMEOUT_SECS: '1' };

  it('trips after five refusals, leaves the backend alone, tries it with three, and closes again', async () => {
    const port = await freePort();
    const daemon = await aDaemon([{ id: 'a', port }], BREAKER);
    for (let client = 0; client < 5; client++) expect(await ask(daemon.port)).toBe('');
    await daemon.log('circuit changed');
    expect(await daemon.metric('edgeproxy_circuit_state{backend="a"}')).toBe(2);

    const seen: number[] = [];
    const backend = await startTcpBackend((socket) => seen.push(seen.length + 1) && socket.pause(), { port });
    cleanups.push(() => backend.close());
    for (let client = 0; client < 20; client++) expect(await ask(daemon.port)).toBe('');
    expect(seen).toEqual([]);
    expect(await daemon.metric('edgeproxy_backend_errors_total{backend="a"}')).toBe(5);

    await until(() => changes(daemon, 'circuit changed', 'to').includes('halfOpen'), { what: 'half-open' });
    const clients = await Promise.all(Array.from({ length: 2_000 }, () => tcpConnect(daemon.port)));
    cleanups.push(() => clients.forEach((client) => client.destroy()));
    await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 3, {
      what: 'all but the trials to be refused',
    });
    expect(backend.sockets).toHaveLength(3);
    for (const socket of backend.sockets) socket.end('welcome');
    await until(() => changes(daemon, 'circuit changed', 'to').at(-1) === 'closed', { what: 'closed' });
    expect(changes(daemon, 'circuit changed', 'cause')).toEqual([
      'failure_threshold',
      'open_timeout',
      'success_threshold',
    ]);
    expect(await daemon.metric('edgeproxy_circuit_transitions_total{cause="success_threshold"}')).toBe(1);
  });
});

describe('health checks', () => {
  const CHECKS = {
    EDGEPROXY_HEALTH_CHECK_ENABLED: 'true',
    EDGEPROXY_HEALTH_CHECK_TYPE: 'http',
    EDGEPROXY_HEALTH_CHECK_INTERVAL_SECS: '1',
  };

  it('take a backend that answers 500 out after three probes and back after two', async () => {
    let status = 200;
    let probes = 0;
    const server = createServer((request, response) => {
      if (request.url === '/health') probes++;
      response.writeHead(status).end('hello');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => (server.closeAllConnections(), server.close()));
    const { port } = server.address() as { port: number };
    const daemon = await aDaemon([{ id: 'a', port }], CHECKS);
    await until(() => changes(daemon, 'health changed', 'verdict').includes('healthy'), { what: 'healthy' });
    expect(await daemon.metric('edgeproxy_backend_healthy{backend="a"}')).toBe(1);

    const before = probes;
    status = 500;
    const down = await until(() => daemon.logs.find(({ verdict }) => verdict === 'unhealthy'), {
      what: 'unhealthy',
    });
    expect(probes - before).toBe(3);
    expect(down).toMatchObject({ backend: 'a', error: 'status 500, expected 200' });
    await until(async () => (await daemon.metric('edgeproxy_backends_eligible')) === 0, {
      what: 'no backend',
    });
    expect(await ask(daemon.port)).toBe('');

    const whileDown = probes;
    status = 200;
    await until(() => changes(daemon, 'health changed', 'verdict').at(-1) === 'healthy', {
      what: 'healthy again',
    });
    expect(probes - whileDown).toBe(2);
    await until(async () => (await daemon.metric('edgeproxy_backends_eligible')) === 1, {
      what: 'the backend',
    });
  });

  it('follow the check of a backend of its own', async () => {
    const backend = await startTcpBackend((socket) => socket.end('tcp'));
    cleanups.push(() => backend.close());
    const daemon = await aDaemon(
      [
        { id: 'http', port: backend.port },
        { id: 'own', port: backend.port, more: 'health = { type = "tcp" }' },
      ],
      CHECKS,
    );
    await until(() => daemon.logs.some(({ verdict }) => verdict === 'unhealthy'), { what: 'the verdicts' });
    const verdicts = daemon.logs.flatMap(({ backend: id, verdict }) =>
      verdict === undefined ? [] : [[id, verdict].join(' ')],
    );
    expect(verdicts.toSorted()).toEqual(['http unhealthy', 'own healthy']);
    expect(await ask(daemon.port)).toBe('tcp');
  });

  it('and breakers never overrule each other', async () => {
    const backend = await startTcpBackend((socket) => socket.once('data', () => socket.resetAndDestroy()));
    cleanups.push(() => backend.close());
    const daemon = await aDaemon([{ id: 'a', port: backend.port }], {
      ...CHECKS,
      EDGEPROXY_HEALTH_CHECK_TYPE: 'tcp',
      EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'true',
      EDGEPROXY_CIRCUIT_TIMEOUT_SECS: '600',
    });
    await until(() => daemon.logs.some(({ verdict }) => verdict === 'healthy'), { what: 'healthy' });
    for (let client = 0; client < 5; client++) {
      const socket = await tcpConnect(daemon.port);
      socket.write('x');
      await expect(readAll(socket)).rejects.toMatchObject({ code: 'ECONNRESET' });
    }
    await daemon.log('circuit changed');
    const probes = (): Promise<number | undefined> =>
      daemon.metric('edgeproxy_health_probes_total{result="ok"}');
    const before = (await probes()) ?? 0;
    await until(async () => ((await probes()) ?? 0) >= before + 2, { what: 'two more good probes' });
    expect(await daemon.metric('edgeproxy_backend_healthy{backend="a"}')).toBe(1);
    expect(await daemon.metric('edgeproxy_backends_excluded{reason="circuit_open"}')).toBe(1);
    expect(await ask(daemon.port)).toBe('');
  });
});
