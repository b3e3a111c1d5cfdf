import type { Socket } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { aPair, type Pair, writePair } from '../support/certificates.ts';
import { aClient, exchange } from '../support/edge.ts';
import { anOwnDaemon, ENGINE_UNDER_TEST } from '../support/own-daemon.ts';
import { startTcpBackend } from '../support/sockets.ts';
import { aFolder, aTlsClient, filesOf, TLS_ON } from '../support/tls.ts';
import { until } from '../support/until.ts';

const HARD_LIMIT = 12;
const ROUNDS = 12;
const WARM = 'edgeproxy_pool_connections{backend="a"}';

let pair: Pair;

beforeAll(async () => {
  pair = await aPair();
});

/** An echo backend with a hard limit that counts its connections, before a pool, several threads, and a TLS listener. */
async function aCountedEdge() {
  const counts = { open: 0, most: 0 };
  const backend = await startTcpBackend((socket) => {
    counts.open++;
    socket.once('end', () => counts.open--);
    // When the ends have been read that had come before it.
    setImmediate(() => (counts.most = Math.max(counts.most, counts.open)));
    socket.pipe(socket);
  });
  onTestFinished(() => backend.close());
  const edge = await anOwnDaemon({
    backends: [{ id: 'a', port: backend.port, more: `hard_limit = ${HARD_LIMIT}` }],
    env: {
      ...TLS_ON,
      ...filesOf(await writePair(await aFolder(), pair)),
      EDGEPROXY_THREADS: '3',
      EDGEPROXY_POOL_ENABLED: 'true',
      EDGEPROXY_POOL_MAX_PER_BACKEND: '8',
      EDGEPROXY_CONNECT_TIMEOUT_SECS: '60',
    },
  });
  return { ...edge, counts, tlsPort: edge.addresses.tls!.port };
}

describe.runIf(process.platform === 'linux')('a backend with a pool, several threads and TLS clients', () => {
  it(
    'never has more connections than its hard limit, as it counts itself',
    { timeout: 120_000 },
    async () => {
      vi.stubEnv(ENGINE_UNDER_TEST, 'epoll');
      onTestFinished(() => void vi.unstubAllEnvs());
      const edge = await aCountedEdge();
      const allTalk = (clients: readonly Socket[]) =>
        Promise.all(clients.map((client) => exchange(client, 'hello')));
      for (let round = 0; round < ROUNDS; round++) {
        // Some who leave warm connections in all threads, then all that there is room for.
        const plain = await Promise.all(Array.from({ length: 6 }, () => aClient(edge.port)));
        await allTalk(plain);
        for (const client of plain.slice(2)) client.destroy();
        await until(async () => (await edge.metric('edgeproxy_connections_active')) === 2, {
          what: 'the end of some',
        });
        await until(async () => (await edge.metric(WARM))! > 0, { what: 'warm connections' });
        const secured = await Promise.all(
          Array.from({ length: HARD_LIMIT - 2 }, () => aTlsClient(edge.tlsPort)),
        );
        await allTalk(secured);
        expect(await edge.metric(WARM)).toBe(0);
        for (const client of [...plain, ...secured]) client.destroy();
        await until(async () => (await edge.metric('edgeproxy_connections_active')) === 0, {
          what: 'the end of all',
        });
      }
      expect(edge.counts.most).toBe(HARD_LIMIT);
      for (const reason of ['all_full', 'connect_failed', 'local_error'])
        expect(await edge.metric(`edgeproxy_connections_refused_total{reason="${reason}"}`)).toBe(0);
    },
  );
});
