import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { addonEngine, ENGINES } from '../support/engines.ts';
import { answer, aPool } from '../support/pools.ts';
import { until } from '../support/until.ts';

const HARD_LIMIT = 12;
const PATIENT = { maxWaiting: 1_000, timeoutMs: 60_000 };

/** A backend that counts, before an engine with a pool. */
async function aCountedPool(start: (typeof ENGINES)[number]['start'], threads: number) {
  const counts = { open: 0, most: 0 };
  const pool = await aPool(
    start,
    { maxPerBackend: 8 },
    { threads, waits: PATIENT },
    (socket) => {
      counts.open++;
      socket.once('end', () => counts.open--);
      // When the ends have been read that had come before it.
      setImmediate(() => (counts.most = Math.max(counts.most, counts.open)));
      answer(socket);
    },
    { hardLimit: HARD_LIMIT },
  );
  return { ...pool, counts };
}

describe.each([
  ...ENGINES.map((engine) => ({ ...engine, threads: 1, rounds: 3 })),
  { ...addonEngine, threads: 3, rounds: 20 },
])('a backend of the $name engine with a pool and $threads threads', ({ start, threads, rounds }) => {
  it('never has more connections than its hard limit, as it counts itself', async () => {
    const { aClient, portOf, of, counts, traffic } = await aCountedPool(start, threads);
    for (let round = 0; round < rounds; round++) {
      // From a few with many warm beside them to all that there is room for, and some who wait.
      const clients: Socket[] = [];
      for (const size of [3, HARD_LIMIT - 3, 4]) {
        const more = await Promise.all(Array.from({ length: size }, aClient));
        clients.push(...more);
        if (clients.length <= HARD_LIMIT) await Promise.all(more.map(portOf));
      }
      await until(() => traffic.report().waiting === clients.length - HARD_LIMIT, { what: 'those who wait' });
      for (const client of clients) client.destroy();
      await until(() => traffic.activeClients() === 0 && of().warm > 0, { what: 'a warm connection' });
    }
    expect(counts.most).toBe(HARD_LIMIT);
    expect(of().hits).toBeGreaterThan(0);
    expect(traffic.report().refused).toMatchObject({ all_full: 0, local_error: 0, connect_failed: 0 });
  });
});
