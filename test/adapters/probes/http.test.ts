import { describe, expect, it } from 'vitest';
import { createProbe } from '../../../src/adapters/probes/probe.ts';
import { until } from '../../support/until.ts';
import { http, httpServer, LOOPBACK, settings, tcpServer, wanted } from './servers.ts';

const now = (): number => performance.now();
const probe = createProbe({ maxInFlight: 10, now });

/** A server that answers every request with these bytes and leaves the connection open. */
const rawServer = (answer: string) => tcpServer((socket) => socket.once('data', () => socket.write(answer)));

describe('an HTTP probe', () => {
  it.each([LOOPBACK, '::1'])('GETs the path from %s, on a connection of its own', async (host) => {
    const seen: unknown[] = [];
    const { port } = await httpServer((request, response) => {
      seen.push([request.method, request.url, request.headers.host, request.headers.connection]);
      response.end('fine');
    }, host);
    const result = await probe({ host, port }, settings(http('/ready?deep=1')), wanted());
    expect(result).toEqual({ ok: true, latencyMs: expect.any(Number) });
    const shown = host.includes(':') ? `[${host}]` : host;
    expect(seen).toEqual([['GET', '/ready?deep=1', `${shown}:${port}`, 'close']]);
  });

  it.each([
    [500, 200, 'status 500, expected 200'],
    [302, 200, 'status 302, expected 200'],
    [200, 204, 'status 200, expected 204'],
  ])('with status %i fails when %i is expected', async (status, expected, error) => {
    let requests = 0;
    const server = await httpServer((_request, response) => {
      requests += 1;
      response.writeHead(status, { location: '/elsewhere' }).end();
    });
    expect(await probe(server, settings(http('/', expected)), wanted())).toMatchObject({ ok: false, error });
    expect(requests).toBe(1);
  });

  it.each([204, 302, 503])('passes on status %i when that is the expected one', async (status) => {
    const server = await httpServer((_request, response) => response.writeHead(status).end());
    expect(await probe(server, settings(http('/', status)), wanted())).toMatchObject({ ok: true });
  });

  it('fails when the answer comes too late', async () => {
    const server = await httpServer(() => {});
    const result = await probe(server, settings(http(), 60), wanted());
    expect(result).toMatchObject({ ok: false, error: 'no answer within 60 ms' });
  });

  it('fails when headers drip past the timeout, however steadily', async () => {
    const server = await tcpServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const dripping = setInterval(() => socket.write('x: y\r\n'), 5);
      socket.once('close', () => clearInterval(dripping));
    });
    const result = await probe(server, settings(http(), 100), wanted());
    expect(result).toMatchObject({ ok: false, error: 'no answer within 100 ms' });
    expect(result.latencyMs).toBeLessThan(1_000);
  });

  it('fails when interim responses never end', async () => {
    const server = await tcpServer((socket) => {
      const dripping = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 5);
      socket.once('close', () => clearInterval(dripping));
    });
    expect(await probe(server, settings(http(), 80), wanted())).toMatchObject({
      ok: false,
      error: 'no answer within 80 ms',
    });
  });

  it.each([
    ['SSH-2.0-OpenSSH_9.6\r\n', 'answered something that is not HTTP'],
    ['\u0015\u0003\u0001\u0000\u0002\u0002\u0016', 'answered something that is not HTTP'],
    [`HTTP/1.1 200 OK\r\n${`x: ${'y'.repeat(1_000)}\r\n`.repeat(40)}\r\n`, 'response headers too large'],
    [
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      'status 101, expected 200',
    ],
  ])('fails on the answer %j', async (answer, error) => {
    const server = await rawServer(answer);
    expect(await probe(server, settings(http()), wanted())).toMatchObject({ ok: false, error });
  });

  it('fails when the connection is closed or reset before an answer', async () => {
    const closing = await tcpServer((socket) => socket.once('data', () => socket.end()));
    expect(await probe(closing, settings(http()), wanted())).toMatchObject({
      error: 'closed without an answer',
    });
    const resetting = await tcpServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    expect(await probe(resetting, settings(http()), wanted())).toMatchObject({ error: 'connection reset' });
    const cutting = await tcpServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 200 O')));
    expect(await probe(cutting, settings(http()), wanted())).toMatchObject({
      error: 'closed without an answer',
    });
  });

  it('passes at the end of the headers, and does not read a huge body to its end', async () => {
    let sent = 0;
    const server = await tcpServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const chunk = Buffer.alloc(65_536, 'x');
      const pour = (): void => {
        while (!socket.destroyed) {
          sent += chunk.length;
          if (!socket.write(chunk)) return void socket.once('drain', pour);
        }
      };
      pour();
    });
    expect(await probe(server, settings(http()), wanted())).toMatchObject({ ok: true });
    await until(() => server.sockets.length === 0, { what: 'the end of the connection' });
    expect(sent).toBeLessThan(32 * 1024 * 1024);
  });

  it('passes on a body that never ends, and holds its place no longer than the timeout', async () => {
    const server = await rawServer('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc');
    const single = createProbe({ maxInFlight: 1, now });
    expect(await single(server, settings(http(), 100), wanted())).toMatchObject({ ok: true });
    expect(await single(server, settings(http(), 100), wanted())).toMatchObject({ ok: true });
    await until(() => server.sockets.length === 0, { what: 'the end of the connections' });
  });

  it('is rejected when it is no longer wanted', async () => {
    const unwanted = new AbortController();
    const server = await httpServer(() => unwanted.abort(new Error('the backend is gone')));
    await expect(probe(server, settings(http()), unwanted.signal)).rejects.toThrow('the backend is gone');
  });
});
