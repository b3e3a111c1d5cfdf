import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { DaemonProcess } from '../support/daemon.ts';
import { aBackend, aClient, anEdge } from '../support/edge.ts';
import { once, readAll } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;

/** A backend that does this with its connections, behind a daemon. */
async function anEdgeTo(onConnection: (socket: Socket) => void) {
  const backend = await aBackend(onConnection);
  return { backend, ...(await anEdge([{ id: 'a', port: backend.port }])) };
}

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

const untilMetric = (daemon: DaemonProcess, series: string, value: number): Promise<unknown> =>
  until(async () => (await daemon.metric(series)) === value, {
    what: `${series} to be ${value}`,
    timeoutMs: 25_000,
  });

describe('bytes', () => {
  it('arrive unchanged, 64 MiB each way at once, and are counted while live and after', async () => {
    const [question, answer] = [randomBytes(64 * MIB), randomBytes(64 * MIB)];
    const received = Promise.withResolvers<Buffer>();
    const { backend, daemon } = await anEdgeTo((socket) => {
      readAll(socket).then(received.resolve, received.reject);
      socket.write(answer);
    });
    const untilCounted = async (active: number): Promise<void> => {
      await untilMetric(daemon, 'edgeproxy_bytes_sent_total', question.length);
      await untilMetric(daemon, 'edgeproxy_bytes_received_total', answer.length);
      await untilMetric(daemon, 'edgeproxy_connections_active', active);
    };
    const client = await aClient(daemon.port);
    const answered = readAll(client);
    client.write(question);
    await until(() => client.bytesRead === answer.length, { what: 'the answer' });
    await until(() => backend.sockets[0]!.bytesRead === question.length, { what: 'the question' });
    await untilCounted(1);

    client.end();
    expect(sha256(await received.promise)).toBe(sha256(question));
    backend.sockets[0]!.end();
    expect(sha256(await answered)).toBe(sha256(answer));
    await untilCounted(0);
    expect(await daemon.metric('edgeproxy_connections_total')).toBe(1);
    expect(await daemon.metric('edgeproxy_backend_connections_total{backend="a"}')).toBe(1);
  });
});

describe('an end', () => {
  it('of the client is passed on, and the answer still comes back', async () => {
    const { daemon } = await anEdgeTo(async (socket) => {
      const question = await readAll(socket);
      socket.end(`you said ${question.toString()}`);
    });
    const client = await aClient(daemon.port);
    client.end('hello');
    expect((await readAll(client)).toString()).toBe('you said hello');
  });

  it('of the backend is passed on, and the client still has its say', async () => {
    const received = Promise.withResolvers<Buffer>();
    const { daemon } = await anEdgeTo((socket) => {
      socket.end('first and last word');
      readAll(socket).then(received.resolve, received.reject);
    });
    const client = await aClient(daemon.port);
    expect((await readAll(client)).toString()).toBe('first and last word');
    client.end('noted');
    expect((await received.promise).toString()).toBe('noted');
  });
});

describe('a reset', () => {
  it('of the client reaches the backend as a reset', async () => {
    const broken = Promise.withResolvers<unknown>();
    const { backend, daemon } = await anEdgeTo((socket) => {
      readAll(socket).then(() => broken.resolve('an orderly end'), broken.resolve);
    });
    const client = await aClient(daemon.port);
    client.write('x');
    await until(() => backend.sockets[0]?.bytesRead === 1, { what: 'the byte' });
    client.resetAndDestroy();
    expect(await broken.promise).toMatchObject({ code: 'ECONNRESET' });
  });

  it('of the backend reaches the client as a reset, and is charged to the backend', async () => {
    const { daemon } = await anEdgeTo((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const client = await aClient(daemon.port);
    client.write('x');
    await expect(readAll(client)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await untilMetric(daemon, 'edgeproxy_backend_errors_total{backend="a"}', 1);
  });
});

const CONNECTIONS = 8;
const OFFERED = Buffer.alloc(32 * MIB);

/** A few MiB a connection, and what the engine of JavaScript leaves uncollected; without a stop it is 256 MiB. */
const MEMORY_BOUND = CONNECTIONS * 4 * MIB + 32 * MIB;

async function residentBytes({ child: { pid } }: DaemonProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** Awaits that not one byte more goes through from one look at the counter to the next. */
async function untilStill(daemon: DaemonProcess, series: string): Promise<number> {
  let last = -1;
  return until(
    async () => {
      const [previous, bytes] = [last, (await daemon.metric(series))!];
      last = bytes;
      return bytes > 0 && bytes === previous && bytes;
    },
    { what: `${series} to stand still` },
  );
}

describe.runIf(process.platform === 'linux')('a reader that has stopped', () => {
  it.each(['backend', 'client'] as const)('(%s) stops the sender and costs little memory', async (reader) => {
    const { backend, daemon } = await anEdgeTo((socket) => socket.pause());
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => aClient(daemon.port)));
    for (const client of clients) client.pause();
    await until(() => backend.sockets.length === CONNECTIONS, { what: 'every connection' });
    const before = await residentBytes(daemon);
    const senders = reader === 'backend' ? clients : backend.sockets;
    for (const sender of senders) sender.write(OFFERED);
    const series = `edgeproxy_bytes_${reader === 'backend' ? 'sent' : 'received'}_total`;
    const taken = await untilStill(daemon, series);
    expect(taken).toBeLessThan((CONNECTIONS * OFFERED.length) / 2);
    expect((await residentBytes(daemon)) - before).toBeLessThan(MEMORY_BOUND);

    for (const socket of [...clients, ...backend.sockets]) socket.resume();
    await untilMetric(daemon, series, CONNECTIONS * OFFERED.length);
    const ended = backend.sockets.map((socket) => once(socket, 'close'));
    for (const socket of [...clients, ...backend.sockets]) socket.end();
    await Promise.all(ended);
    await untilMetric(daemon, 'edgeproxy_connections_active', 0);
  });
});
