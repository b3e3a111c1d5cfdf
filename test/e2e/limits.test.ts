import { readdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { DaemonProcess } from '../support/daemon.ts';
import { aBackend, aClient, anEchoBackend, anEdge, putBackends, untilApplied } from '../support/edge.ts';
import { once, readAll } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const ENGINES = [
  ['portable', { EDGEPROXY_ENGINE: 'net' }],
  ['epoll', { EDGEPROXY_ENGINE: 'epoll', EDGEPROXY_THREADS: '2' }],
] as const;

const IDLE = 2_000;
const STORM = 400;
/** At one time. */
const CONCURRENT = 100;

async function descriptorsOf({ child: { pid } }: DaemonProcess): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

const refusedFor = (reason: string) => `edgeproxy_connections_refused_total{reason="${reason}"}`;

/** Runs so many, some at one time. */
async function times(count: number, run: () => Promise<unknown>): Promise<void> {
  for (let at = 0; at < count; at += CONCURRENT)
    await Promise.all(Array.from({ length: Math.min(CONCURRENT, count - at) }, run));
}

describe.runIf(process.platform === 'linux').each(ENGINES)('the daemon on the %s engine', (_, engine) => {
  it('has a storm of clients wait for the few places of a backend, and serves every one of them', async () => {
    let [serving, peak] = [0, 0];
    const backend = await aBackend((socket) => {
      peak = Math.max(peak, ++serving);
      socket.once('data', () => {
        serving--;
        socket.end('served');
      });
    });
    const { daemon } = await anEdge([{ id: 'a', port: backend.port, hard_limit: 7, soft_limit: 7 }], {
      env: { ...engine, EDGEPROXY_QUEUE_MAX: String(STORM), EDGEPROXY_QUEUE_TIMEOUT_SECS: '60' },
    });
    const before = await descriptorsOf(daemon);
    const answers: string[] = [];
    await times(STORM, async () => {
      const client = await aClient(daemon.port);
      client.write('question');
      answers.push((await readAll(client)).toString());
      client.destroy();
    });
    expect(answers).toEqual(Array.from({ length: STORM }, () => 'served'));
    expect(peak).toBeLessThanOrEqual(7);
    expect(await daemon.metric('edgeproxy_connections_queued_total')).toBeGreaterThan(0);
    await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 0, { what: 'the end' });
    expect(await daemon.metric('edgeproxy_connections_waiting')).toBe(0);
    expect(await daemon.metric(refusedFor('all_full'))).toBe(0);
    await until(async () => (await descriptorsOf(daemon)) <= before + 2, {
      what: 'descriptors to be closed',
    });
  });

  it('lets a client that waits in as soon as a row gives it room', async () => {
    const backend = await anEchoBackend();
    const row = { id: 'a', port: backend.port, hard_limit: 1 };
    const { daemon, database } = await anEdge([row], {
      env: { ...engine, EDGEPROXY_QUEUE_MAX: '10', EDGEPROXY_QUEUE_TIMEOUT_SECS: '60' },
    });
    const talk = async (client: Socket): Promise<string> => {
      client.write('hello');
      const [answer] = await once(client, 'data');
      return String(answer);
    };
    expect(await talk(await aClient(daemon.port))).toBe('hello');
    const waiter = await aClient(daemon.port);
    const answered = talk(waiter);
    await until(async () => (await daemon.metric('edgeproxy_connections_waiting')) === 1, {
      what: 'one to wait',
    });
    await putBackends(database, { ...row, hard_limit: 2 });
    await untilApplied(daemon, 1);
    expect(await answered).toBe('hello');
    expect(await daemon.metric('edgeproxy_connections_waiting')).toBe(0);
  });

  it(`holds ${IDLE} idle clients, refuses who comes beside them, and lets go of everything`, async () => {
    const backend = await anEchoBackend();
    const { daemon } = await anEdge([{ id: 'a', port: backend.port, hard_limit: 0 }], {
      env: { ...engine, EDGEPROXY_MAX_CONNECTIONS: String(IDLE) },
    });
    const before = await descriptorsOf(daemon);
    const clients: Socket[] = [];
    await times(IDLE, async () => {
      const client = await aClient(daemon.port);
      clients.push(client);
      client.write('x');
      await once(client, 'data');
    });
    expect(await daemon.metric('edgeproxy_connections_active')).toBe(IDLE);
    await times(50, async () => {
      expect((await readAll(await aClient(daemon.port))).toString()).toBe('');
    });
    expect(await daemon.metric(refusedFor('max_connections'))).toBe(50);
    for (const client of clients) client.destroy();
    await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 0, { what: 'the end' });
    await until(async () => (await descriptorsOf(daemon)) <= before + 2, {
      what: 'descriptors to be closed',
    });
    const again = await aClient(daemon.port);
    again.write('x');
    await once(again, 'data');
  });

  it('counts each address for itself', async () => {
    const backend = await anEchoBackend();
    const { daemon } = await anEdge([{ id: 'a', port: backend.port, hard_limit: 0 }], {
      env: { ...engine, EDGEPROXY_MAX_CONNECTIONS_PER_CLIENT: '2' },
    });
    const heard = async (localAddress: string): Promise<string> => {
      const client = await aClient(daemon.port, { localAddress });
      client.write('hello');
      return once(client, 'data').then(
        ([answer]) => String(answer),
        () => 'refused',
      );
    };
    const refused = async (localAddress: string): Promise<string> =>
      (await readAll(await aClient(daemon.port, { localAddress }))).toString();
    for (const address of ['127.0.0.2', '127.0.0.3']) {
      expect([await heard(address), await heard(address)]).toEqual(['hello', 'hello']);
      expect(await refused(address)).toBe('');
    }
    expect(await daemon.metric(refusedFor('max_connections_per_client'))).toBe(2);
    await until(() => daemon.logs.some(({ msg }) => msg === 'clients are refused'), { what: 'the warning' });
  });
});
