import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { DaemonAddresses } from '../../src/daemon.ts';
import { aPair, anAuthority, type Pair, writePair } from '../support/certificates.ts';
import { runCli } from '../support/daemon.ts';
import { aBackend, aClient, aDaemon, anEchoBackend, exchange } from '../support/edge.ts';
import { anOwnDaemon, ENGINE_UNDER_TEST, type Given, type OwnDaemon } from '../support/own-daemon.ts';
import { once, readAll } from '../support/sockets.ts';
import { aFolder, aTlsClient, filesOf, TLS_ON } from '../support/tls.ts';
import { until } from '../support/until.ts';

const ENGINES = process.platform === 'linux' ? (['net', 'epoll'] as const) : (['net'] as const);
const BULK_BYTES = 4 * 1_048_576;

const authority = await anAuthority();
let pair: Pair;

beforeAll(async () => {
  pair = await aPair({ authority });
});

/** A daemon with a TLS listener that shows the pair of this file, in front of these backends. */
async function anEdgeWithTls(given: Given, shown: Pair = pair) {
  const files = await writePair(await aFolder(), shown);
  const own = await anOwnDaemon({ ...given, env: { ...TLS_ON, ...filesOf(files), ...given.env } });
  return { ...own, files, tlsPort: own.addresses.tls!.port };
}

function onEngine(engine: string): void {
  vi.stubEnv(ENGINE_UNDER_TEST, engine);
  onTestFinished(() => void vi.unstubAllEnvs());
}

interface Listed {
  readonly clientPort: number | null;
  readonly state: string;
  readonly bytesSent: number;
}

interface ListedPage {
  readonly connections: readonly Listed[];
  readonly next: string | null;
}

async function waiting({ metric }: Pick<OwnDaemon, 'metric'>, clients: number): Promise<void> {
  await until(async () => (await metric('edgeproxy_connections_waiting')) === clients, {
    what: `${clients} clients to wait`,
  });
}

/** What a TLS client is told that is refused; its own goodbye may be answered by a reset. */
async function refusalOf(port: number): Promise<string> {
  try {
    return (await readAll(await aTlsClient(port))).toString();
  } catch (error) {
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    return '';
  }
}

describe.each(ENGINES)('the TLS listener beside the %s engine', (engine) => {
  it('ends TLS, and hands bytes and ends on both ways, exactly counted', async () => {
    onEngine(engine);
    const backend = await anEchoBackend();
    const edge = await anEdgeWithTls({ backends: [{ id: 'a', port: backend.port }] });
    const client = await aTlsClient(edge.tlsPort, { ca: authority.cert, rejectUnauthorized: true });
    expect(client.authorized).toBe(true);
    const sent = randomBytes(BULK_BYTES);
    client.end(sent);
    expect((await readAll(client)).equals(sent)).toBe(true);
    for (const series of ['edgeproxy_bytes_sent_total', 'edgeproxy_bytes_received_total'])
      expect(await edge.metric(series)).toBe(BULK_BYTES);
    expect(await edge.metric('edgeproxy_tls_handshakes_total{version="1.3",resumed="false"}')).toBe(1);
    await until(async () => (await edge.metric('edgeproxy_connections_active')) === 0, { what: 'the end' });
  });

  it('shares the places of a backend, and the limits, with the plain listener', async () => {
    onEngine(engine);
    const backend = await anEchoBackend();
    const edge = await anEdgeWithTls({
      backends: [{ id: 'a', port: backend.port, more: 'hard_limit = 2' }],
    });
    const plain = await aClient(edge.port);
    await exchange(plain, 'hello');
    const client = await aTlsClient(edge.tlsPort);
    await exchange(client, 'hello');
    expect(await refusalOf(edge.tlsPort)).toBe('');
    expect((await readAll(await aClient(edge.port))).length).toBe(0);
    expect(await edge.metric('edgeproxy_connections_refused_total{reason="all_full"}')).toBe(2);
    await edge.change({ env: { EDGEPROXY_MAX_CONNECTIONS: '2' } });
    const late = await aTlsClient(edge.tlsPort).catch((error: NodeJS.ErrnoException) => error.code);
    expect(late).toBe('ECONNRESET');
    expect(await edge.metric('edgeproxy_connections_refused_total{reason="max_connections"}')).toBe(1);
  });

  it.each(['plain', 'TLS'])(
    'has clients wait for a place that a %s client has, in the order in which they came',
    async (first) => {
      onEngine(engine);
      const backend = await anEchoBackend();
      const edge = await anEdgeWithTls({
        backends: [{ id: 'a', port: backend.port, more: 'hard_limit = 1' }],
        env: { EDGEPROXY_QUEUE_MAX: '10', EDGEPROXY_QUEUE_TIMEOUT_SECS: '60' },
      });
      const isTls = first === 'TLS';
      const holder = isTls ? await aTlsClient(edge.tlsPort) : await aClient(edge.port);
      await exchange(holder, 'hello');
      const second = isTls ? await aClient(edge.port) : await aTlsClient(edge.tlsPort);
      await waiting(edge, 1);
      const third = isTls ? await aTlsClient(edge.tlsPort) : await aClient(edge.port);
      await waiting(edge, 2);
      holder.destroy();
      await exchange(second, 'second');
      await waiting(edge, 1);
      second.destroy();
      await exchange(third, 'third');
      await waiting(edge, 0);
      expect(await edge.metric('edgeproxy_connections_queued_total')).toBe(2);
    },
  );

  it('gives up what it keeps warm for clients of the plain listener who need the room', async () => {
    onEngine(engine);
    const backend = await anEchoBackend();
    const edge = await anEdgeWithTls({
      backends: [{ id: 'a', port: backend.port, more: 'hard_limit = 2' }],
      env: { EDGEPROXY_POOL_ENABLED: 'true', EDGEPROXY_CONNECT_TIMEOUT_SECS: '60' },
    });
    const first = await aTlsClient(edge.tlsPort);
    await exchange(first, 'hello');
    const warm = 'edgeproxy_pool_connections{backend="a"}';
    await until(async () => (await edge.metric(warm)) === 1, { what: 'a warm connection' });
    first.destroy();
    await until(async () => (await edge.metric('edgeproxy_connections_active')) === 0, { what: 'the end' });
    for (const client of [await aClient(edge.port), await aClient(edge.port)])
      await exchange(client, 'hello');
    await until(() => backend.sockets.length === 2, { what: 'no more connections than there may be' });
    expect(await edge.metric(warm)).toBe(0);
  });

  it('has its clients listed behind those of the plain listener', async () => {
    onEngine(engine);
    const backend = await anEchoBackend();
    const edge = await anEdgeWithTls({
      backends: [{ id: 'a', port: backend.port }],
      env: { EDGEPROXY_ADMIN_ENABLED: 'true', EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0' },
    });
    const page = async (query: string): Promise<ListedPage> => {
      const url = `http://127.0.0.1:${edge.addresses.admin!.port}/admin/v1/connections?${query}`;
      return (await (await fetch(url)).json()) as ListedPage;
    };
    const [plain, secured] = [await aClient(edge.port), await aTlsClient(edge.tlsPort)];
    for (const client of [plain, secured]) await exchange(client, 'hello');
    const silent = await aClient(edge.tlsPort);
    const ports = [plain, secured, silent].map(({ localPort }) => localPort);
    const isOf = (one: Listed, port: number | undefined): boolean => one.clientPort === port;
    const listed = await until(
      async () => {
        const { connections } = await page('limit=10');
        const isWritten = connections.some((one) => isOf(one, ports[1]) && one.bytesSent === 5);
        return connections.length === 3 && isWritten ? connections : undefined;
      },
      { what: 'what the threads have written down' },
    );
    const stateOf = (port: number | undefined) => listed.find((one) => isOf(one, port))?.state;
    expect(ports.map(stateOf)).toEqual(['connected', 'connected', 'connecting']);
    expect(listed[0]!.clientPort).toBe(ports[0]);
    const first = await page('limit=1');
    const rest = await page(`limit=10&after=${encodeURIComponent(first.next!)}`);
    const seen = [...first.connections, ...rest.connections].map(({ clientPort }) => clientPort);
    expect([new Set(seen), seen.length, rest.next]).toEqual([new Set(ports), 3, null]);
  });

  it('passes the reset of a backend on', async () => {
    onEngine(engine);
    const backend = await aBackend((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const edge = await anEdgeWithTls({ backends: [{ id: 'a', port: backend.port }] });
    const client = await aTlsClient(edge.tlsPort);
    client.write('ask');
    await expect(readAll(client)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('passes the reset of a client on', async () => {
    onEngine(engine);
    const errors: (string | undefined)[] = [];
    const backend = await aBackend((socket) => {
      socket.on('error', ({ code }: NodeJS.ErrnoException) => errors.push(code)).resume();
    });
    const edge = await anEdgeWithTls({ backends: [{ id: 'a', port: backend.port }] });
    const below = await aClient(edge.tlsPort);
    const client = await aTlsClient(0, { socket: below });
    client.write('hello');
    await until(() => backend.sockets[0]?.bytesRead === 5, { what: 'what the client has said' });
    below.resetAndDestroy();
    await until(() => errors.length > 0, { what: 'the end' });
    expect(errors).toEqual(['ECONNRESET']);
  });

  it('awaits a PROXY header before the handshake where the peer is trusted, and limits by it', async () => {
    onEngine(engine);
    const backend = await anEchoBackend();
    const edge = await anEdgeWithTls({
      backends: [{ id: 'a', port: backend.port }],
      env: { EDGEPROXY_PROXY_PROTOCOL_TRUSTED: '127.0.0.1/32', EDGEPROXY_PROXY_PROTOCOL_SEND: 'v1' },
    });
    const below = await aClient(edge.tlsPort);
    below.write('PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n');
    const client = await aTlsClient(0, { socket: below });
    client.write('hello');
    const header = 'PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\nhello';
    let answer = '';
    client.on('data', (bytes: Buffer) => (answer += bytes.toString()));
    await until(() => answer.length === header.length, { what: 'what the backend was sent' });
    expect(answer).toBe(header);
  });

  it('waits for its clients when it drains', async () => {
    onEngine(engine);
    const backend = await anEchoBackend();
    const edge = await anEdgeWithTls({ backends: [{ id: 'a', port: backend.port }] });
    const client = await aTlsClient(edge.tlsPort);
    await exchange(client, 'before');
    edge.daemon.stop();
    await exchange(client, 'while it drains');
    client.end();
    expect((await readAll(client)).length).toBe(0);
    expect(await edge.daemon.stopped).toBe('released');
  });
});

/** What `openssl s_client` prints, given what it sends. */
async function sClient(port: number, args: readonly string[] = [], input = ''): Promise<string> {
  const child = execFile('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args]);
  onTestFinished(() => void child.kill());
  let output = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stdin!.end(input);
  await once(child, 'close');
  return output;
}

describe('a daemon with a TLS listener', () => {
  it('serves openssl s_client, and curl would trust it', async () => {
    const backend = await aBackend((socket) => socket.once('data', () => socket.end('from the backend\n')));
    const folder = await aFolder();
    const files = await writePair(folder, pair);
    const config = join(folder, 'edge.toml');
    const ca = join(folder, 'ca.crt');
    await writeFile(ca, authority.cert);
    await writeFile(
      config,
      `[[backends]]\nid = "a"\napp = "x"\nregion = "sa"\ncountry = "BR"\nwg_ip = "127.0.0.1"\nport = ${backend.port}\n`,
    );
    const daemon = await aDaemon({ args: ['--config', config], env: { ...TLS_ON, ...filesOf(files) } });
    const { tls } = (await daemon.log('accepting clients')) as unknown as DaemonAddresses;
    const args = ['-CAfile', ca, '-verify_hostname', 'edge.test', '-servername', 'edge.test', '-ign_eof'];
    const output = await sClient(tls!.port, args, 'hello\n');
    expect(output).toContain('Verification: OK');
    expect(output).toContain('from the backend');
  });

  it('says which file is missing, exit 1', async () => {
    const { code, stderr } = await runCli(['run'], {
      ...TLS_ON,
      EDGEPROXY_LISTEN_ADDR: '127.0.0.1:0',
      ...filesOf({ cert: '/nowhere/edge.crt', key: '/nowhere/edge.key' }),
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^edgeproxy: EDGEPROXY_TLS_CERT = "\/nowhere\/edge\.crt": cannot be read: ENOENT.*\n$/,
    );
  });
});

describe('scripts/tls-scan.ts', () => {
  const SCAN = new URL('../../scripts/tls-scan.ts', import.meta.url).pathname;

  it('finds nothing weak at the TLS listener', async () => {
    const backend = await anEchoBackend();
    const edge = await anEdgeWithTls({ backends: [{ id: 'a', port: backend.port }] });
    const child = execFile(process.execPath, [SCAN, `127.0.0.1:${edge.tlsPort}`, 'edge.test']);
    let output = '';
    child.stdout!.on('data', (text: string) => (output += text));
    const [code] = await once(child, 'close');
    expect(output.trim().split('\n')).toEqual([
      'protocol TLSv1: refused',
      'protocol TLSv1.1: refused',
      'protocol TLSv1.2: spoken',
      ...['AES256-GCM-SHA384', 'CHACHA20-POLY1305', 'AES128-GCM-SHA256'].map(
        (suite) => `cipher TLSv1.2: ECDHE-ECDSA-${suite}`,
      ),
      'protocol TLSv1.3: spoken',
      ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'].map(
        (suite) => `cipher TLSv1.3: ${suite}`,
      ),
      'renegotiation: refused',
      'resumption TLSv1.2: yes',
      'resumption TLSv1.3: yes',
    ]);
    expect(code).toBe(0);
  });
});
