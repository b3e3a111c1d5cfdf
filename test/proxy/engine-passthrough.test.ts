import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeV2 } from '../../src/domain/proxy-protocol/encode.ts';
import { LONGEST_HELLO_BYTES } from '../../src/domain/tls/client-hello.ts';
import { aBackend } from '../support/backends.ts';
import { helloMessage, recordOf, recordsOf, serverNameOf } from '../support/client-hello.ts';
import { ENGINES, type EngineKind, type EngineOptions } from '../support/engines.ts';
import { endpointsOf } from '../support/proxy-headers.ts';
import { once, startTcpBackend, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const NAMES = {
  serverNames: { 'shop.example': 'shop', '*.blog.example': 'blog', '*.example': 'shop' },
};
const PROXY = '127.0.0.9';

const helloTo = (...names: readonly string[]): Buffer =>
  recordsOf(helloMessage(names.length === 0 ? [] : [serverNameOf(...names)]));

/** An engine whose clients say whose backends they are given; each backend keeps what it has got. */
async function anEngine(kind: EngineKind, options: Partial<EngineOptions> = {}, hardLimit = 0) {
  const got: Record<string, Buffer[]> = { shop: [], blog: [] };
  const backends = await Promise.all(
    Object.entries(got).map(async ([app, received]) => {
      const backend = await startTcpBackend((socket) => {
        const index = received.push(Buffer.alloc(0)) - 1;
        socket.on('data', (bytes) => (received[index] = Buffer.concat([received[index]!, bytes as Buffer])));
        socket.write(app);
      });
      onTestFinished(() => backend.close());
      return aBackend({ id: app, app, port: backend.port, hardLimit });
    }),
  );
  const running = await kind.start(backends, { ...NAMES, ...options });
  onTestFinished(() => running.engine.close(0));
  const [, bound] = await running.engine.listen([
    { setting: 'EDGEPROXY_LISTEN_ADDR', address: { host: '127.0.0.1', port: 0 } },
    {
      setting: 'EDGEPROXY_TLS_LISTEN_ADDR',
      address: { host: '127.0.0.1', port: 0 },
      goesByServerName: true,
    },
  ]);
  const connect = async (localAddress?: string): Promise<Socket> => {
    const client = await tcpConnect(bound!.port, '127.0.0.1', { localAddress, allowHalfOpen: true });
    onTestFinished(() => void client.destroy());
    return client;
  };
  return { ...running, got, connect, refused: () => running.traffic.report().refused };
}

/** Who answers a client, nothing when it is refused. */
function answer(client: Socket): Promise<string> {
  const ended = once(client, 'close').then(() => '');
  const hungUp = once(client, 'end').then(() => '');
  const said = once(client, 'data').then(([bytes]) => String(bytes));
  return Promise.race([said, hungUp, ended]).catch(() => '');
}

/** Says these parts, each when the one before has left and been looked at, and returns the answer. */
async function say(client: Socket, parts: readonly Uint8Array[]): Promise<string> {
  const answered = answer(client);
  client.setNoDelay(true);
  for (const part of parts) {
    if (client.destroyed) break;
    await new Promise<void>((resolve) => void client.write(part, () => resolve()));
    await new Promise(setImmediate);
  }
  return answered;
}

describe.runIf(process.platform === 'linux').each(ENGINES)(
  '$name engine that goes by server names',
  (kind) => {
    it('gives a client the backend of the name that it asks for, and every byte to that as it is', async () => {
      const { connect, got } = await anEngine(kind, { threads: 1 });
      const shop = Buffer.concat([helloTo('shop.example'), Buffer.from('and more')]);
      expect(await say(await connect(), [shop])).toBe('shop');
      expect(await say(await connect(), [helloTo('www.blog.example')])).toBe('blog');
      expect(await say(await connect(), [helloTo('a.b.blog.example')])).toBe('blog');
      expect(await say(await connect(), [helloTo('SHOP.example')])).toBe('shop');
      expect(await say(await connect(), [helloTo('blog.example')])).toBe('shop');
      await until(() => got['shop']!.length === 3 && got['shop']![0]!.length === shop.length, {
        what: 'all bytes',
      });
      expect(got['shop']![0]).toEqual(shop);
      expect(got['blog']).toEqual([helloTo('www.blog.example'), helloTo('a.b.blog.example')]);
    });

    it('waits for a greeting that comes in segments and records, and keeps a FIN behind it', async () => {
      const { connect, got } = await anEngine(kind);
      const message = helloMessage([serverNameOf('shop.example'), { type: 0xaa, data: Buffer.alloc(5_000) }]);
      const hello = recordsOf(message, [1, 3, 70, 4_000]);
      const cuts = [1, 4, 5, 6, 7, 100, 3_000, hello.length - 1];
      const parts = [0, ...cuts].map((from, index) => hello.subarray(from, cuts[index]));
      const client = await connect();
      expect(await say(client, parts)).toBe('shop');
      client.write('after');
      client.end();
      await once(client.resume(), 'end');
      expect(got['shop']).toEqual([Buffer.concat([hello, Buffer.from('after')])]);
    });

    it.each<[string, readonly Uint8Array[]]>([
      ['another protocol', [Buffer.from('GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n')]],
      ['another message', [recordOf(helloMessage([serverNameOf('shop.example')], { type: 2 }))]],
      ['a name that is none', [helloTo('shop_/example')]],
      ['two names', [helloTo('shop.example', 'www.blog.example')]],
      ['a record that is too long', [Buffer.from([22, 3, 1, 0xff, 0xff])]],
      [
        'more than is taken',
        [
          recordOf(
            helloMessage([{ type: 0xaa, data: Buffer.alloc(LONGEST_HELLO_BYTES) }]).subarray(0, 16_384),
          ),
        ],
      ],
    ])('refuses a client that begins with %s', async (_, parts) => {
      const { connect, got, refused, engine } = await anEngine(kind);
      expect(await say(await connect(), parts)).toBe('');
      await until(() => engine.liveConnections === 0, { what: 'it to be gone' });
      expect(refused()).toMatchObject({ bad_client_hello: 1, unknown_server_name: 0 });
      expect(await say(await connect(), [helloTo('shop.example')])).toBe('shop');
      expect(got['blog']).toEqual([]);
    });

    it('refuses who ends before, or in the middle, and who is too late, and counts them out', async () => {
      const { connect, engine, refused, reconfigure } = await anEngine(kind, {
        limits: { maxConnections: 3, maxPerClient: 0, ipv6Prefix: 64 },
      });
      const clients = await Promise.all([connect(), connect(), connect()]);
      const [silent, middle, late] = clients;
      silent.end();
      middle.end(helloTo('shop.example').subarray(0, 20));
      expect(await Promise.all([answer(silent), answer(middle)])).toEqual(['', '']);
      await until(() => refused().bad_client_hello === 2, { what: 'two refusals' });
      late.write(helloTo('shop.example').subarray(0, 20));
      const tooLate = answer(late);
      await reconfigure({ helloTimeoutMs: 50 });
      expect(await tooLate).toBe('');
      await until(() => engine.liveConnections === 0, { what: 'all of them to be gone' });
      expect(refused().bad_client_hello).toBe(3);
      await reconfigure({ helloTimeoutMs: 5_000 });
      const others = await Promise.all([connect(), connect(), connect()]);
      const said = await Promise.all(others.map((client) => say(client, [helloTo('shop.example')])));
      expect(said).toEqual(['shop', 'shop', 'shop']);
      expect(await answer(await connect())).toBe('');
      expect(refused().max_connections).toBe(1);
    });

    it('refuses who asks for nothing known, unless there is an app for all others, and follows other names', async () => {
      const { connect, refused, reconfigure } = await anEngine(kind);
      for (const hello of [helloTo('shop.test'), helloTo(), helloTo('127.0.0.1')])
        expect(await say(await connect(), [hello])).toBe('');
      expect(refused()).toMatchObject({ unknown_server_name: 3, bad_client_hello: 0 });
      await reconfigure({ defaultApp: 'blog', serverNames: { 'shop.test': 'shop', 'gone.test': 'gone' } });
      for (const hello of [helloTo(), helloTo('127.0.0.1'), helloTo('::1')])
        expect(await say(await connect(), [hello])).toBe('blog');
      expect(await say(await connect(), [helloTo('shop.test')])).toBe('shop');
      expect(await say(await connect(), [helloTo('shop.example')])).toBe('blog');
      expect(await say(await connect(), [helloTo('gone.test')])).toBe('');
      expect(refused()).toMatchObject({ unknown_server_name: 3, no_backend: 1 });
    });

    it('reads a PROXY header before the greeting, in one segment or several', async () => {
      const { connect, got } = await anEngine(kind, { proxyHeaders: { trusted: [PROXY], timeoutMs: 5_000 } });
      const header = encodeV2(endpointsOf('192.0.2.1', 7, '192.0.2.2', 443));
      const hello = helloTo('shop.example');
      expect(await say(await connect(PROXY), [Buffer.concat([header, hello, Buffer.from('x')])])).toBe(
        'shop',
      );
      const parts = [header, hello.subarray(0, 30), hello.subarray(30)];
      expect(await say(await connect(PROXY), parts)).toBe('shop');
      expect(await say(await connect(PROXY), [Buffer.concat([header, Buffer.from('HELO')])])).toBe('');
      await until(() => got['shop']![0]!.length === hello.length + 1, { what: 'all bytes' });
      expect(got['shop']).toEqual([Buffer.concat([hello, Buffer.from('x')]), hello]);
    });

    it('has clients wait for a place after their greeting, with all of it', async () => {
      const { connect, got, traffic } = await anEngine(
        kind,
        { waits: { maxWaiting: 1, timeoutMs: 60_000 } },
        1,
      );
      const first = await connect();
      expect(await say(first, [helloTo('shop.example')])).toBe('shop');
      const second = await connect();
      const answered = say(second, [helloTo('www.example')]);
      await until(() => traffic.report().waiting === 1, { what: 'one to wait' });
      expect(await say(await connect(), [helloTo('x.blog.example')])).toBe('blog');
      first.destroy();
      expect(await answered).toBe('shop');
      await until(() => got['shop']!.length === 2 && got['shop']![1]!.length > 0, { what: 'its greeting' });
      expect(got['shop']![1]).toEqual(helloTo('www.example'));
    });

    it('ends who has not greeted yet when it closes', async () => {
      const { connect, engine, traffic } = await anEngine(kind);
      const client = await connect();
      client.write(helloTo('shop.example').subarray(0, 9));
      await until(() => engine.liveConnections === 1, { what: 'the client' });
      const ended = answer(client);
      await engine.close(0);
      expect(await ended).toBe('');
      expect(traffic.report().active).toBe(0);
    });

    it('ends who greets while it closes, well or badly, and counts each out once', async () => {
      const { connect, engine, traffic } = await anEngine(kind, { threads: 1 });
      const clients = await Promise.all([connect(), connect(), connect()]);
      await until(() => engine.liveConnections === 3, { what: 'the clients' });
      // The last two have a third of the time at least.
      const closing = engine.close(300);
      const [, well, badly] = clients;
      well.write(helloTo('shop.example'));
      badly.write('no greeting');
      const ended = clients.map((client) => once(client.resume(), 'close').catch(() => undefined));
      for (const client of clients) client.once('end', () => client.end());
      await Promise.all([closing, ...ended]);
      expect(traffic.report().active).toBe(0);
    });
  },
);
