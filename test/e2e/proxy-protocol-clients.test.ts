import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { encodeV1 } from '../../src/domain/proxy-protocol/encode.ts';
import type { DaemonProcess } from '../support/daemon.ts';
import { aNamedBackend, anEdge } from '../support/edge.ts';
import { endpointsOf } from '../support/proxy-headers.ts';
import { readAll, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

/** The full figure is `CLIENTS=100000`. */
const CLIENTS = Number(process.env['CLIENTS'] ?? 4_000);
const AT_ONCE = 50;

/** Addresses that announce them: one has not ports enough for so many in a minute. */
const PROXIES = 200;

/** Garbage does not pile up in it: what grows is kept. */
const SMALL_HEAP = '--max-old-space-size=64 --max-semi-space-size=1';

/** The table of bindings is of a fixed size, of which 100,000 clients touch some; what was kept of each would not fit. */
const MEMORY_BOUND = 32 * 1024 * 1024;

async function residentBytes({ child: { pid } }: DaemonProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** One connection of a client that nobody else is; resolves with who answered. */
async function answerFor(port: number, client: number): Promise<string> {
  const source = `2001:db8:${(client >>> 16).toString(16)}:${(client & 0xffff).toString(16)}::1`;
  const localAddress = `127.0.1.${client % PROXIES}`;
  const socket = await tcpConnect(port, '127.0.0.1', { localAddress });
  socket.end(encodeV1(endpointsOf(source, 1 + (client % 65_535), '2001:db8::', 443)));
  return (await readAll(socket)).toString();
}

describe.runIf(process.platform === 'linux').each(['epoll', 'net'])('the daemon, engine %s,', (engine) => {
  it(
    `serves ${CLIENTS} announced clients, each another one, in bounded memory`,
    { timeout: 600_000 },
    async () => {
      const backend = await aNamedBackend('a');
      const { daemon } = await anEdge([{ id: 'a', port: backend.port }], {
        env: {
          EDGEPROXY_ENGINE: engine,
          NODE_OPTIONS: SMALL_HEAP,
          EDGEPROXY_THREADS: '2',
          EDGEPROXY_PROXY_PROTOCOL_TRUSTED: '127.0.1.0/24',
          EDGEPROXY_LOG_LEVEL: 'info',
        },
      });
      let next = 0;
      const serveUpTo = async (last: number): Promise<void> => {
        const answers = new Set<string>();
        const some = async (): Promise<void> => {
          while (next < last) answers.add(await answerFor(daemon.port, next++));
        };
        await Promise.all(Array.from({ length: AT_ONCE }, some));
        expect([...answers]).toEqual(['a']);
      };
      // Until then code is compiled and tables are touched for the first time.
      await serveUpTo(CLIENTS / 4);
      const before = await residentBytes(daemon);
      await serveUpTo(CLIENTS);
      expect((await residentBytes(daemon)) - before).toBeLessThan(MEMORY_BOUND);
      await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 0, {
        what: 'the end',
      });
      expect(await daemon.metric('edgeproxy_connections_total')).toBe(CLIENTS);
    },
  );
});
