import { request } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { anInspection, getFrom, type RequestHeaders } from '../../support/an-inspection.ts';
import { tcpConnect } from '../../support/sockets.ts';
import { look } from '../../support/looker.ts';
import { until } from '../../support/until.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };

async function idleConnections(
  port: number,
  count: number,
  localAddress?: string,
): Promise<readonly Socket[]> {
  const sockets = await Promise.all(
    Array.from({ length: count }, () => tcpConnect(port, '127.0.0.1', { localAddress })),
  );
  for (const socket of sockets) socket.resume();
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  return sockets;
}

/** A stream of events that this address holds open; its status, or `undefined` when there was no place for it. */
function holdStream(
  port: number,
  localAddress: string,
  headers: RequestHeaders = {},
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const ask = request({
      port,
      host: '127.0.0.1',
      path: '/inspect/events',
      localAddress,
      headers,
      agent: false,
    });
    onTestFinished(() => void ask.destroy());
    ask.once('response', (response) => {
      response.resume().on('error', () => {});
      resolve(response.statusCode);
    });
    ask.on('error', () => resolve(undefined)).end();
  });
}

describe('a connection to the admin listener', () => {
  it('is served while more idle ones are open than it has places', async () => {
    const { port, get } = await anInspection({ token: TOKEN });
    const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
    const idle = await Promise.all(addresses.map((address) => idleConnections(port, 40, address)));
    expect((await get('/inspect')).status).toBe(200);
    expect((await get('/inspect/actors', AUTHORIZED)).status).toBe(200);
    const open = idle.flat().filter((socket) => !socket.closed);
    expect(open.length).toBeLessThanOrEqual(64);
  });

  it('is served while others ask for pages without reading them, or ask without the token', async () => {
    const { port, get } = await anInspection({
      token: TOKEN,
      limits: { maxPerAddress: 4, maxConnections: 8 },
    });
    const greedy = await Promise.all(Array.from({ length: 8 }, () => tcpConnect(port)));
    onTestFinished(() => greedy.forEach((socket) => socket.destroy()));
    const asks = 'GET /inspect/page.js HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(500);
    for (const socket of greedy) socket.pause().write(asks);
    expect((await get('/inspect/actors', AUTHORIZED)).status).toBe(200);
  });

  it('that is let in keeps its place, and its address gets no more than its share', async () => {
    const { port, logs } = await anInspection({
      maxStreams: 9,
      limits: { maxPerAddress: 2, maxConnections: 3 },
    });
    expect(await holdStream(port, '127.0.0.2')).toBe(200);
    expect(await holdStream(port, '127.0.0.2')).toBe(200);
    expect(await holdStream(port, '127.0.0.2')).toBeUndefined();
    const fields = { address: '127.0.0.2', times: 1 };
    expect(logs).toEqual([['warn', 'admin listener has no place for a connection', fields]]);
    expect((await getFrom({ host: '127.0.0.1', port }, '/inspect')).status).toBe(200);
    expect(await holdStream(port, '127.0.0.1')).toBe(200);
    expect(await holdStream(port, '127.0.0.3')).toBeUndefined();
  });

  it('that sends no complete head is closed, also one that sends nothing', async () => {
    const { port } = await anInspection({ limits: { headMs: 50 } });
    const [silent, slow] = (await idleConnections(port, 2)) as [Socket, Socket];
    slow.write('GET /inspect HTTP/1.1\r\nhost: loc');
    await until(() => silent.closed && slow.closed, { what: 'both to be closed' });
    expect([silent.bytesRead > 0, slow.bytesRead > 0]).toEqual([true, true]);
  });

  it('whose client takes nothing of a stream is closed, and leaves its place to another looker', async () => {
    const inspection = await anInspection({ maxStreams: 2, beatMs: 20, limits: { stallMs: 300 } });
    const reader = await look(inspection.url);
    const stalled = await tcpConnect(inspection.port);
    stalled.pause().write('GET /inspect/events HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await until(async () => (await look(inspection.url)).response.status === 503, { what: 'both to look' });
    // Buffers of the system take some megabytes first.
    await until(
      async () => {
        for (let time = 0; time < 50; time += 1) {
          inspection.trip(time % 3);
          inspection.clock.increment(60_000);
        }
        const next = await look(inspection.url);
        next.leave();
        return next.response.status === 200;
      },
      { what: 'a free place' },
    );
    const before = reader.text().length;
    await until(() => reader.text().length > before, { what: 'the reader to be told more' });
    expect(reader.response.status).toBe(200);
  });
});
