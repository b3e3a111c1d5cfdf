import { onTestFinished, describe, expect, it } from 'vitest';
import { createProbe } from '../../../src/adapters/probes/probe.ts';
import { startSilentPort } from '../../support/silent-port.ts';
import { freePort } from '../../support/sockets.ts';
import { until } from '../../support/until.ts';
import { http, httpServer, LOOPBACK, settings, TCP, tcpServer, wanted } from './servers.ts';

const now = (): number => performance.now();
const probe = createProbe({ maxInFlight: 10, now });

describe('a TCP probe', () => {
  it.each([LOOPBACK, '::1'])('passes when %s accepts, and tells how long that took', async (host) => {
    const { port } = await tcpServer(undefined, host);
    const result = await probe({ host, port }, settings(TCP), wanted());
    expect(result).toEqual({ ok: true, latencyMs: expect.any(Number) });
    expect(result.latencyMs).toBeGreaterThan(0);
    expect(result.latencyMs).toBeLessThan(5_000);
  });

  it('fails when the port refuses', async () => {
    const result = await probe({ host: LOOPBACK, port: await freePort() }, settings(TCP), wanted());
    expect(result).toMatchObject({ ok: false, error: 'refused' });
  });

  it('fails when nobody answers in time, and says how long it waited', async () => {
    const silent = await startSilentPort();
    onTestFinished(() => silent.close());
    const result = await probe({ host: LOOPBACK, port: silent.port }, settings(TCP, 80), wanted());
    expect(result).toMatchObject({ ok: false, error: 'no answer within 80 ms' });
    expect(result.latencyMs).toBeGreaterThanOrEqual(79);
  });

  it('sends not a byte, and leaves by a reset', async () => {
    const sockets: string[] = [];
    const server = await tcpServer((socket) => {
      socket.on('data', () => sockets.push('data'));
      socket.on('end', () => sockets.push('end'));
      socket.on('error', (error: NodeJS.ErrnoException) => sockets.push(error.code ?? ''));
      socket.resume();
    });
    await probe({ host: LOOPBACK, port: server.port }, settings(TCP), wanted());
    await until(() => sockets.length > 0 && server.sockets.length === 0, { what: 'the end of the probe' });
    expect(sockets).toEqual(['ECONNRESET']);
  });

  it('is rejected when it is no longer wanted, and gives its place back', async () => {
    const silent = await startSilentPort();
    onTestFinished(() => silent.close());
    const server = await tcpServer();
    const single = createProbe({ maxInFlight: 1, now });
    const unwanted = new AbortController();
    const probing = single({ host: LOOPBACK, port: silent.port }, settings(TCP), unwanted.signal);
    unwanted.abort(new Error('the backend is gone'));
    await expect(probing).rejects.toThrow('the backend is gone');
    expect(await single(server, settings(TCP), wanted())).toMatchObject({ ok: true });
    await expect(single(server, settings(TCP), unwanted.signal)).rejects.toThrow('the backend is gone');
  });
});

describe('more probes than places', () => {
  it('use every place, and never more connections than that', async () => {
    let [connections, answered, most] = [0, 0, 0];
    let unanswered: (() => void)[] = [];
    const { port } = await tcpServer((socket) => {
      connections += 1;
      most = Math.max(most, connections - answered);
      socket.once('data', () => {
        unanswered.push(() => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
        if (unanswered.length < 3) return;
        answered += 3;
        for (const answer of unanswered) answer();
        unanswered = [];
      });
    });
    const capped = createProbe({ maxInFlight: 3, now });
    const results = await Promise.all(
      Array.from({ length: 60 }, () => capped({ host: LOOPBACK, port }, settings(http()), wanted())),
    );
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(most).toBe(3);
  });

  it('get their turn in the order in which they came', async () => {
    const seen: (string | undefined)[] = [];
    const server = await httpServer((request, response) => {
      seen.push(request.url);
      response.end();
    });
    const single = createProbe({ maxInFlight: 1, now });
    const paths = Array.from({ length: 20 }, (_, index) => `/${index}`);
    await Promise.all(paths.map((path) => single(server, settings(http(path)), wanted())));
    expect(seen).toEqual(paths);
  });

  it('do not count the wait for a place into timeout or latency', async () => {
    const silent = await startSilentPort();
    onTestFinished(() => silent.close());
    const server = await tcpServer();
    const single = createProbe({ maxInFlight: 1, now });
    const [first, second] = await Promise.all([
      single({ host: LOOPBACK, port: silent.port }, settings(TCP, 300), wanted()),
      single(server, settings(TCP, 200), wanted()),
    ]);
    expect(first).toMatchObject({ ok: false });
    expect(second).toMatchObject({ ok: true });
    expect(second.latencyMs).toBeLessThan(200);
  });

  it('let one leave the queue that is no longer wanted', async () => {
    const silent = await startSilentPort();
    onTestFinished(() => silent.close());
    const server = await tcpServer();
    const single = createProbe({ maxInFlight: 1, now });
    const unwanted = new AbortController();
    const first = single({ host: LOOPBACK, port: silent.port }, settings(TCP, 150), wanted());
    const second = single(server, settings(TCP), unwanted.signal);
    const third = single(server, settings(TCP), wanted());
    unwanted.abort();
    await expect(second).rejects.toThrow(/abort/);
    expect(server.connections).toBe(0);
    expect(await first).toMatchObject({ ok: false });
    expect(await third).toMatchObject({ ok: true });
  });
});
