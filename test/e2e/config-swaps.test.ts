import { rename, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DaemonProcess } from '../support/daemon.ts';
import { anEchoBackend, anEchoClient, anEdge, exchange, NO_POLL } from '../support/edge.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const SWAPS = 200;
const CLIENTS = 64;

/** Settings that change over and over, and mean nothing to a client that is well served. */
const KEYS = [
  'health_check.interval_secs',
  'circuit_breaker.failure_threshold',
  'rate_limit.max_requests',
  'connect_timeout_secs',
  'drain_timeout_secs',
  'binding.ttl_secs',
] as const;

const appliedOf = ({ logs }: DaemonProcess) => logs.filter(({ msg }) => msg === 'configuration changed');

/** Exchanges words with the backend, until told to stop; resolves with how many. */
async function talk(socket: Socket, isOver: () => boolean): Promise<number> {
  let words = 0;
  for (; !isOver(); words++) await exchange(socket, `word ${words}`);
  return words;
}

describe('200 swaps of the file and of settings in SQL', () => {
  it('are each taken over once, and not felt by 64 clients', async () => {
    const path = join(await temporaryFolder(), 'edgeproxy.toml');
    await writeFile(path, '');
    const backend = await anEchoBackend();
    const env = {
      ...NO_POLL,
      EDGEPROXY_CONFIG: path,
      EDGEPROXY_CONFIG_WATCH_ENABLED: 'true',
      EDGEPROXY_CONFIG_WATCH_INTERVAL_SECS: '3600',
    };
    const row = { id: 'a', port: backend.port, soft_limit: 1_000, hard_limit: 1_000 };
    const { daemon, database } = await anEdge([row], { env });
    await daemon.log('table of settings initialized');
    let isOver = false;
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => anEchoClient(daemon.port)));
    const talks = clients.map((client) => talk(client, () => isOver));
    const takenMs: { readonly file: number[]; readonly sql: number[] } = { file: [], sql: [] };
    for (let swap = 0; swap < SWAPS; swap++) {
      const source = swap % 2 === 0 ? 'file' : 'sql';
      const value = 1_000 + swap;
      const startedMs = performance.now();
      // The two set different keys, so that none hides the other.
      const keys = KEYS.filter((_, index) => index % 2 === swap % 2);
      if (source === 'file') {
        await writeFile(`${path}.new`, keys.map((key) => `${key} = ${value}\n`).join(''));
        await rename(`${path}.new`, path);
      } else {
        await database.query(
          `INSERT INTO edgeproxy.settings (key, value) SELECT unnest($1::text[]), $2
           ON CONFLICT (key, region, node) DO UPDATE SET value = EXCLUDED.value`,
          [keys, JSON.stringify(value)],
        );
      }
      await until(() => appliedOf(daemon).length > swap, { what: `swap ${swap}` });
      takenMs[source].push(performance.now() - startedMs);
      // Somebody new in every round.
      const visitor = await anEchoClient(daemon.port);
      visitor.destroy();
    }
    isOver = true;
    const words = await Promise.all(talks);
    expect(Math.min(...words)).toBeGreaterThan(0);
    expect(appliedOf(daemon).map((line) => line['source'])).toEqual(
      Array.from({ length: SWAPS }, (_, swap) => (swap % 2 === 0 ? 'file' : 'sql')),
    );
    expect(await daemon.metric('edgeproxy_config_reloads_total{result="applied"}')).toBe(SWAPS);
    expect(await daemon.metric('edgeproxy_config_reloads_total{result="refused"}')).toBe(0);
    const refused = [
      ...(await metricLines(daemon)).matchAll(/^edgeproxy_connections_refused_total\{.*\} (\d+)$/gm),
    ];
    expect(refused.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(0);
    for (const [source, all] of Object.entries(takenMs)) {
      const sorted = all.toSorted((one, other) => one - other);
      const [median, p99] = [sorted[all.length / 2]!, sorted[Math.floor(all.length * 0.99)]!].map((ms) =>
        ms.toFixed(1),
      );
      // oxlint-disable-next-line no-console -- a number to look at, not to hold a machine to
      console.info(`${source} to force over ${all.length} changes: median ${median} ms, p99 ${p99} ms`);
    }
  });
});

async function metricLines({ metricsPort }: DaemonProcess): Promise<string> {
  return (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
}
