import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Backend } from '../../src/domain/backend.ts';
import { encodeV1, encodeV2, encodeV2Local } from '../../src/domain/proxy-protocol/encode.ts';
import type { ProxyHeader } from '../../src/domain/proxy-protocol/header.ts';
import { parseProxyHeader } from '../../src/domain/proxy-protocol/parse-header.ts';
import { readTlvs, writeTlvs } from '../../src/domain/proxy-protocol/tlvs.ts';
import { aBackend } from '../support/backends.ts';
import { ENGINES, type EngineOptions, type RunningEngine } from '../support/engines.ts';
import { ascii, endpointsOf, hex } from '../support/proxy-headers.ts';
import { freePort, once, readAll, startTcpBackend, tcpConnect, type TcpBackend } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function aTcpBackend(onConnection: (socket: Socket) => void): Promise<TcpBackend> {
  const backend = await startTcpBackend(onConnection, { allowHalfOpen: true });
  cleanups.push(() => backend.close());
  return backend;
}

/** A backend that keeps what each connection brings until its end, and then answers with how much it was. */
async function aRecorder(fields: Partial<Backend> = {}) {
  const received: Buffer[] = [];
  const { port } = await aTcpBackend(async (socket) => {
    const data = await readAll(socket).catch(() => undefined);
    if (data === undefined) return;
    received.push(data);
    socket.end(`${data.length} bytes`);
  });
  return { received, backend: aBackend({ port, ...fields }) };
}

const ANNOUNCED = endpointsOf('203.0.113.7', 50_000, '198.51.100.9', 443);
const ANNOUNCED6 = endpointsOf('2001:db8::7', 50_000, '2001:db8::9', 443);
const TRUSTED = { proxyHeaders: { trusted: ['127.0.0.2'], timeoutMs: 60_000 } };

/** Its end, orderly or not: bytes that are left unread make it a reset. */
async function endOf(peer: Socket): Promise<void> {
  await readAll(peer).catch(() => undefined);
}

const NO_HEADER = 'no header';

/** What a backend has received, as the header that it begins with and the rest. */
function parted(data: Buffer | undefined): { readonly header: ProxyHeader; readonly rest: string } {
  const parsed = parseProxyHeader(data!, data!.length);
  if (parsed.kind !== 'header') throw new Error(NO_HEADER);
  return { header: parsed, rest: data!.subarray(parsed.headerBytes).toString() };
}

describe.each(ENGINES)('$name engine', ({ start }) => {
  async function anEngine(
    backends: readonly Backend[],
    options: Partial<EngineOptions> = {},
  ): Promise<RunningEngine> {
    const running = await start(backends, { threads: 1, ...options });
    cleanups.push(() => running.engine.close(0));
    return running;
  }

  /** Comes from the trusted address unless said otherwise. */
  async function aPeer(port: number, localAddress = '127.0.0.2'): Promise<Socket> {
    const socket = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true, localAddress });
    cleanups.push(() => Promise.resolve(socket.destroy()));
    return socket;
  }

  /** Says all of this, then hears the answer of a recorder. */
  async function tell(port: number, parts: readonly (Uint8Array | string)[], from?: string): Promise<string> {
    const peer = await aPeer(port, from);
    const answer = readAll(peer);
    for (const part of parts.slice(0, -1)) peer.write(part);
    peer.end(parts.at(-1)!);
    return (await answer).toString();
  }

  describe('accepts PROXY headers', () => {
    it('of either version, and hands on what follows', async () => {
      const { received, backend } = await aRecorder();
      const { port, traffic } = await anEngine([backend], TRUSTED);
      const longest = writeTlvs([{ type: 4, value: new Uint8Array(4_096 - 28 - 3) }]);
      const headers = [
        encodeV1(ANNOUNCED),
        encodeV1(ANNOUNCED6),
        encodeV1(undefined),
        encodeV2(ANNOUNCED),
        encodeV2(ANNOUNCED6),
        encodeV2(undefined),
        encodeV2(ANNOUNCED, longest),
        encodeV2Local(),
      ];
      for (const header of headers)
        expect(await tell(port, [Buffer.concat([header, ascii('hello')])])).toBe('5 bytes');
      expect(received.map(String)).toEqual(headers.map(() => 'hello'));
      await until(() => traffic.report().active === 0, { what: 'the end' });
      expect(traffic.report()).toMatchObject({ accepted: headers.length, bytesSent: 5 * headers.length });
    });

    it('byte by byte', async () => {
      const { received, backend } = await aRecorder();
      const { port } = await anEngine([backend], TRUSTED);
      for (const header of [encodeV1(ANNOUNCED6), encodeV2(ANNOUNCED6)]) {
        const peer = await aPeer(port);
        peer.setNoDelay(true);
        const answer = readAll(peer);
        for (const byte of [...header, ...ascii('hello')]) {
          const flushed = new Promise((resolve) => peer.write(Uint8Array.of(byte), resolve));
          await flushed;
          await new Promise(setImmediate);
        }
        peer.end();
        expect((await answer).toString()).toBe('5 bytes');
      }
      expect(received.map(String)).toEqual(['hello', 'hello']);
    });

    it('with bulk behind them in the same breath', async () => {
      const { received, backend } = await aRecorder();
      const { port } = await anEngine([backend], TRUSTED);
      const bulk = Buffer.alloc(4 * 1024 * 1024, 'bulk');
      expect(await tell(port, [Buffer.concat([encodeV1(ANNOUNCED), bulk])])).toBe(`${bulk.length} bytes`);
      expect(received[0]!.equals(bulk)).toBe(true);
    });

    it('and nothing behind them: the end is handed on, and the answer comes back', async () => {
      const { received, backend } = await aRecorder();
      const { port } = await anEngine([backend], TRUSTED);
      expect(await tell(port, [encodeV2(ANNOUNCED)])).toBe('0 bytes');
      expect(received.map(String)).toEqual(['']);
    });

    it('of clients that wait for the server to speak first', async () => {
      const { port: backendPort } = await aTcpBackend((socket) => void socket.resume().write('220 ready'));
      const { port } = await anEngine([aBackend({ port: backendPort })], TRUSTED);
      const peer = await aPeer(port);
      peer.write(encodeV1(ANNOUNCED));
      const [greeting] = await once(peer, 'data');
      expect(String(greeting)).toBe('220 ready');
    });

    it('and takes only the first one: the next is data', async () => {
      const { received, backend } = await aRecorder();
      const { port } = await anEngine([backend], TRUSTED);
      const second = Buffer.from(encodeV1(ANNOUNCED6));
      await tell(port, [Buffer.concat([encodeV1(ANNOUNCED), second])]);
      expect(received.map(String)).toEqual([second.toString()]);
    });

    it('only of trusted peers: what others send is theirs', async () => {
      const { received, backend } = await aRecorder();
      const { port } = await anEngine([backend], TRUSTED);
      const spoof = Buffer.from(encodeV1(ANNOUNCED));
      await tell(port, [spoof], '127.0.0.1');
      expect(received.map(String)).toEqual([spoof.toString()]);
    });

    it('and binds the announced client, not the proxy, to its backend', async () => {
      const [a, b] = [await aRecorder({ id: 'a' }), await aRecorder({ id: 'b' })];
      const { port, traffic } = await anEngine([a.backend, b.backend], { ...TRUSTED, bindingTtlMs: 60_000 });
      const headers = Array.from({ length: 20 }, (_, last) =>
        encodeV1(endpointsOf(`203.0.113.${last}`, 1_000 + last, '198.51.100.9', 443)),
      );
      const placesOf = async (): Promise<string> => {
        const places: string[] = [];
        for (const header of headers) {
          const before = a.received.length;
          await tell(port, [Buffer.concat([header, ascii('x')])]);
          places.push(a.received.length > before ? 'a' : 'b');
          await until(() => traffic.report().active === 0, { what: 'the end' });
        }
        return places.join('');
      };
      const first = await placesOf();
      expect(first).toMatch(/ab|ba/);
      expect(await placesOf()).toBe(first);
    });
  });

  describe('turns peers away, counted, and serves others meanwhile:', () => {
    const line = encodeV1(ANNOUNCED);

    it('those who say something else', async () => {
      const { received, backend } = await aRecorder();
      const { port, traffic, engine } = await anEngine([backend], TRUSTED);
      const bad = [
        ascii('GET / HTTP/1.1\r\n\r\n'),
        ascii('PROXY TCP4 203.0.113.7 198.51.100.9 050000 443\r\nhello'),
        ascii('PROXY UNKNOWN '.padEnd(200, 'x')),
        hex('0d0a0d0a000d0a515549540a 31 11 000c'),
        hex('0d0a0d0a000d0a515549540a 21 11 ffff'),
        hex('0d0a0d0a000d0a515549540a 21 00 0007 03 0004 00000000'),
      ];
      for (const [index, bytes] of bad.entries()) {
        const peer = await aPeer(port);
        peer.write(bytes);
        await endOf(peer);
        await until(() => traffic.report().refused.bad_proxy_header === index + 1, { what: 'the refusal' });
        expect(await tell(port, ['ordinary'], '127.0.0.1')).toBe('8 bytes');
      }
      expect(received.map(String)).toEqual(bad.map(() => 'ordinary'));
      await until(() => engine.liveConnections === 0, { what: 'the end' });
      expect(traffic.report()).toMatchObject({ accepted: 2 * bad.length, active: 0 });
    });

    it('those who end within a header, or before', async () => {
      const { received, backend } = await aRecorder();
      const { port, traffic, engine } = await anEngine([backend], TRUSTED);
      const parts = [
        line.subarray(0, 0),
        line.subarray(0, 20),
        line.subarray(0, -1),
        encodeV2(ANNOUNCED).subarray(0, 27),
      ];
      for (const [index, bytes] of parts.entries()) {
        const peer = await aPeer(port);
        peer.end(bytes);
        await endOf(peer);
        await until(() => traffic.report().refused.bad_proxy_header === index + 1, { what: 'the refusal' });
      }
      expect(received).toEqual([]);
      await until(() => engine.liveConnections === 0, { what: 'the end' });
    });

    it('those who break off', async () => {
      const { backend } = await aRecorder();
      const { port, traffic, engine } = await anEngine([backend], TRUSTED);
      const peer = await aPeer(port);
      await new Promise((resolve) => peer.write(line.subarray(0, 20), resolve));
      await until(() => engine.liveConnections === 1, { what: 'the peer to be awaited' });
      peer.resetAndDestroy();
      await until(() => traffic.report().refused.bad_proxy_header === 1, { what: 'the refusal' });
      await until(() => traffic.report().active === 0, { what: 'the end' });
      expect(traffic.report()).toMatchObject({ accepted: 1, refused: { bad_proxy_header: 1 } });
    });

    it('those whose header does not come in time, each after its own time', async () => {
      const { backend } = await aRecorder();
      const { port, traffic } = await anEngine([backend], {
        proxyHeaders: { trusted: ['127.0.0.0/8'], timeoutMs: 50 },
      });
      const peers = await Promise.all(
        Array.from({ length: 30 }, async (_, index) => {
          const peer = await aPeer(port);
          peer.write(line.subarray(0, index));
          return endOf(peer);
        }),
      );
      expect(peers).toHaveLength(30);
      expect(traffic.report().refused.bad_proxy_header).toBe(30);
      await until(() => traffic.report().active === 0, { what: 'the end of all' });
    });
  });

  it('keeps peers whose header is still to come while it drains, and ends them when it closes', async () => {
    const { received, backend } = await aRecorder();
    const { port, engine, traffic } = await anEngine([backend], TRUSTED);
    const [late, silent] = [await aPeer(port), await aPeer(port)];
    await until(() => engine.liveConnections === 2, { what: 'both peers' });
    const drained = engine.drain();
    const answer = readAll(late);
    late.end(Buffer.concat([encodeV1(ANNOUNCED), ascii('late')]));
    expect((await answer).toString()).toBe('4 bytes');
    await until(() => engine.liveConnections === 1, { what: 'the end of one' });
    const over = endOf(silent);
    await engine.close(0);
    await drained;
    await over;
    expect(received.map(String)).toEqual(['late']);
    expect(traffic.report()).toMatchObject({ active: 0, refused: { bad_proxy_header: 0 } });
  });

  describe.each(['v1', 'v2'] as const)('sends PROXY headers of %s', (proxyProtocol) => {
    const version = proxyProtocol === 'v1' ? 1 : 2;

    it('that say where a client comes from', async () => {
      const { received, backend } = await aRecorder({ proxyProtocol });
      const { port, traffic } = await anEngine([backend]);
      const peer = await aPeer(port, '127.0.0.3');
      const { localPort } = peer;
      const answer = readAll(peer);
      peer.end('hello');
      await answer;
      const { header, rest } = parted(received[0]);
      expect(header).toMatchObject({
        version,
        transport: 'tcp4',
        endpoints: endpointsOf('127.0.0.3', localPort!, '127.0.0.1', port),
      });
      expect(rest).toBe('hello');
      await until(() => traffic.report().active === 0, { what: 'the end' });
      expect(traffic.report().bytesSent).toBe(received[0]!.length);
    });

    it('that say what was announced', async () => {
      const { received, backend } = await aRecorder({ proxyProtocol });
      const { port } = await anEngine([backend], TRUSTED);
      for (const endpoints of [ANNOUNCED, ANNOUNCED6]) {
        await tell(port, [Buffer.concat([encodeV1(endpoints), ascii('hello')])]);
        expect(parted(received.at(-1))).toMatchObject({ header: { version, endpoints }, rest: 'hello' });
      }
    });

    it('with the real endpoints of a peer that speaks for itself', async () => {
      const { received, backend } = await aRecorder({ proxyProtocol });
      const { port } = await anEngine([backend], TRUSTED);
      for (const header of [encodeV1(undefined), encodeV2(undefined), encodeV2Local()]) {
        const peer = await aPeer(port);
        const endpoints = endpointsOf('127.0.0.2', peer.localPort!, '127.0.0.1', port);
        const answer = readAll(peer);
        peer.end(header);
        await answer;
        expect(parted(received.at(-1))).toMatchObject({ header: { version, endpoints }, rest: '' });
      }
    });

    it('before the client has said anything', async () => {
      const heard = Promise.withResolvers<Buffer>();
      const backend = await aTcpBackend((socket) => {
        socket.once('data', heard.resolve);
      });
      const { port } = await anEngine([aBackend({ port: backend.port, proxyProtocol })]);
      await aPeer(port);
      expect(parted(await heard.promise).rest).toBe('');
    });

    it('before bulk, whole', async () => {
      const { received, backend } = await aRecorder({ proxyProtocol });
      const { port } = await anEngine([backend]);
      const bulk = Buffer.alloc(4 * 1024 * 1024, 'bulk');
      await tell(port, [bulk]);
      const { header } = parted(received[0]);
      expect(received[0]!.subarray(header.headerBytes).equals(bulk)).toBe(true);
    });

    it('to the backend that takes the client over when another has failed', async () => {
      const { received, backend } = await aRecorder({ proxyProtocol, region: 'eu' });
      const dead = aBackend({ id: 'dead', port: await freePort() });
      const { port } = await anEngine([dead, backend], TRUSTED);
      await tell(port, [Buffer.concat([encodeV2(ANNOUNCED), ascii('hello')])]);
      expect(parted(received[0])).toMatchObject({ header: { endpoints: ANNOUNCED }, rest: 'hello' });
    });

    it('to those backends that want them, from the next connection on', async () => {
      const { received, backend } = await aRecorder();
      const { port, apply, inForce } = await anEngine([backend]);
      await tell(port, ['plain']);
      apply([{ ...backend, proxyProtocol }]);
      await until(() => inForce() === 2, { what: 'the set to be in force' });
      await tell(port, ['introduced']);
      expect(received[0]!.toString()).toBe('plain');
      expect(parted(received[1]).rest).toBe('introduced');
    });
  });

  it('passes the vectors of a header on in version 2, and makes their checksum anew', async () => {
    const { received, backend } = await aRecorder({ proxyProtocol: 'v2' });
    const { port } = await anEngine([backend], TRUSTED);
    const tlvs = [
      { type: 0x02, value: ascii('example.com') },
      { type: 0x03, value: new Uint8Array(4) },
      { type: 0xea, value: Uint8Array.from({ length: 3_000 }, (_, index) => index & 255) },
    ];
    const udp = encodeV2(ANNOUNCED, writeTlvs(tlvs.filter(({ type }) => type !== 0x03)));
    udp[13] = 0x12;
    for (const header of [encodeV2(ANNOUNCED, writeTlvs(tlvs)), udp]) {
      await tell(port, [Buffer.concat([header, ascii('hello')])]);
      const { header: own, rest } = parted(received.at(-1));
      expect(rest).toBe('hello');
      const plain = readTlvs(own.tlvs)!.filter(({ type }) => type !== 0x03);
      expect(plain.map(({ type, value }) => [type, [...value]])).toEqual(
        tlvs.filter(({ type }) => type !== 0x03).map(({ type, value }) => [type, [...value]]),
      );
    }
    // One that was announced for datagrams has no address that a stream could have come from.
    expect(parted(received[0]).header.endpoints).toEqual(ANNOUNCED);
    expect(parted(received[1]).header.endpoints).not.toEqual(ANNOUNCED);
  });
});
