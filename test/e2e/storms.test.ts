import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { DaemonProcess } from '../support/daemon.ts';
import { aBackend, aClient, anEdge, putBackends, untilApplied } from '../support/edge.ts';
import { freePort, readAll } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const ENGINES = [
  // Node does not say who has reset a connection before it was accepted: no limit applies to such a client.
  ['portable', { EDGEPROXY_ENGINE: 'net' }, 'may miss those that are gone'],
  ['epoll', { EDGEPROXY_ENGINE: 'epoll', EDGEPROXY_THREADS: '2' }, 'counts everyone'],
] as const;

const ADDRESSES = 200;
const EACH = 10;
const BURST = 8;
const TOO_MANY = ADDRESSES * (EACH - BURST);
const HARD_LIMIT = 9;
/** Connections that wait for clients: threads close what is beyond the limit with them, a moment later. */
const WARM = 4;
const PROBES = 1;
/** At one time. */
const CONCURRENT = 100;

const EVERYTHING = {
  EDGEPROXY_RATE_LIMIT_ENABLED: 'true',
  EDGEPROXY_RATE_LIMIT_MAX_REQUESTS: '1',
  EDGEPROXY_RATE_LIMIT_WINDOW_SECS: '86400',
  EDGEPROXY_RATE_LIMIT_BURST: String(BURST),
  EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'true',
  EDGEPROXY_CIRCUIT_TIMEOUT_SECS: '1',
  EDGEPROXY_HEALTH_CHECK_ENABLED: 'true',
  EDGEPROXY_HEALTH_CHECK_INTERVAL_SECS: '1',
  EDGEPROXY_POOL_ENABLED: 'true',
  EDGEPROXY_POOL_IDLE_TIMEOUT_SECS: '1',
  EDGEPROXY_POOL_MAX_PER_BACKEND: String(WARM),
  EDGEPROXY_QUEUE_MAX: '50',
  EDGEPROXY_QUEUE_TIMEOUT_SECS: '60',
  EDGEPROXY_MAX_CONNECTIONS: '1000',
  EDGEPROXY_MAX_CONNECTIONS_PER_CLIENT: '5',
  EDGEPROXY_IDLE_TIMEOUT_SECS: '60',
  EDGEPROXY_HALF_CLOSED_TIMEOUT_SECS: '30',
  EDGEPROXY_FIRST_BYTE_TIMEOUT_SECS: '30',
};

/** What a client does once it is connected; none waits for another. */
const MANNERS: readonly ((port: number, localAddress: string) => Promise<unknown>)[] = [
  async (port, localAddress) => (await aClient(port, { localAddress })).destroy(),
  async (port, localAddress) => (await aClient(port, { localAddress })).resetAndDestroy(),
  async (port, localAddress) => {
    const client = await aClient(port, { localAddress });
    client.write('question', () => client.resetAndDestroy());
  },
  async (port, localAddress) => {
    const client = await aClient(port, { localAddress, allowHalfOpen: true });
    client.end('question');
    await readAll(client).catch(() => 'turned away');
    client.destroy();
  },
  async (port, localAddress) => {
    const client = await aClient(port, { localAddress });
    client.write('question');
    await readAll(client).catch(() => 'turned away');
    client.resetAndDestroy();
  },
];

async function descriptorsOf({ child: { pid } }: DaemonProcess): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

async function aCountingBackend() {
  const counted = { serving: 0, peak: 0, port: 0 };
  const { port } = await aBackend((socket) => {
    counted.peak = Math.max(counted.peak, ++counted.serving);
    socket.once('data', () => socket.end('answer'));
    socket.once('end', () => socket.end());
    socket.once('close', () => counted.serving--);
  });
  return Object.assign(counted, { port });
}

describe.runIf(process.platform === 'linux').each(ENGINES)(
  'the daemon on the %s engine, everything on',
  (_, engine, counting) => {
    it(`is as before after ${ADDRESSES * EACH} clients that connect and go, each in its manner`, async () => {
      const backends = [await aCountingBackend(), await aCountingBackend()];
      const { daemon, database } = await anEdge([], { env: { ...engine, ...EVERYTHING } });
      const rows = backends.map(({ port }, index) => ({ id: `b${index}`, port, hard_limit: HARD_LIMIT }));
      await putBackends(database, ...rows, { id: 'dead', port: await freePort() });
      await untilApplied(daemon, 2, 1);
      const before = await descriptorsOf(daemon);
      const clients = Array.from({ length: ADDRESSES * EACH }, (__, index) => index);
      while (clients.length > 0) {
        await Promise.all(
          clients
            .splice(0, CONCURRENT)
            .map((index) =>
              MANNERS[index % MANNERS.length]!(daemon.port, `127.0.1.${1 + (index % ADDRESSES)}`),
            ),
        );
      }
      const answered = async (localAddress: string): Promise<string> => {
        const client = await aClient(daemon.port, { localAddress });
        client.write('question');
        const answer = String(await readAll(client));
        client.destroy();
        return answer;
      };
      await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 0, {
        what: 'the last to leave',
      });
      const limited = await daemon.metric('edgeproxy_connections_refused_total{reason="rate_limited"}');
      if (counting === 'counts everyone') expect(limited).toBe(TOO_MANY);
      else expect(limited).toSatisfy((number: number) => number > 0 && number <= TOO_MANY);
      expect(await answered('127.0.2.1')).toBe('answer');
      await until(async () => (await descriptorsOf(daemon)) <= before + 2, {
        what: 'descriptors to be closed',
      });
      await until(() => backends.every(({ serving }) => serving === 0), { what: 'backends to be left' });
      for (const { peak } of backends) expect(peak).toBeLessThanOrEqual(HARD_LIMIT + WARM + PROBES);
      expect(await daemon.metric('edgeproxy_connections_waiting')).toBe(0);
      for (const id of ['b0', 'b1', 'dead'])
        expect(await daemon.metric(`edgeproxy_backend_connections_active{backend="${id}"}`)).toBe(0);
    });
  },
);
