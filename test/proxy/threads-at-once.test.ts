import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Affinity } from '../../src/proxy/affinity.ts';
import { EVERY_APP } from '../../src/proxy/apps.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';
import { NO_PERMIT, SHUT } from '../../src/proxy/gates.ts';
import { sharedInts } from '../../src/proxy/shared-columns.ts';
import { aBackend } from '../support/backends.ts';
import type { HammerOrders, HammerReport } from '../support/hammer-thread.ts';
import { aRouterOfEachThread, type Place } from '../support/proxy.ts';
import { once } from '../support/sockets.ts';

const THREADS = 4;
const ROUNDS = 60_000;
const PERMITS = 2;
const MAX_SLOTS = 16;

const HAMMER = new URL('../support/hammer-thread.ts', import.meta.url);

async function hammer(orders: HammerOrders): Promise<HammerReport> {
  const [report] = await once(new Worker(HAMMER, { workerData: orders }), 'message');
  return report as HammerReport;
}

describe('threads that run at the same time', () => {
  it('hold limits and permits exactly, lose no place, permit or binding, and all know what is free', async () => {
    const { routers, state, directory, slots } = aRouterOfEachThread(THREADS + 1, { maxSlots: MAX_SLOTS });
    const backends = Array.from({ length: 5 }, (_, index) =>
      aBackend({ id: `b${index}`, port: 1 + index, hardLimit: 3 + index, softLimit: 2 }),
    );
    const table = directory.publish({
      version: 1,
      eligible: backends.map((backend, index) => ({
        backend,
        gate: { epoch: 1, grant: 1, permits: index === 0 ? PERMITS : undefined },
      })),
      excluded: [],
      isPanic: false,
    });
    // A reader that has followed nothing meanwhile, and is behind by far more than its ring.
    const late = routers[THREADS]!;
    late.apply(table);
    const common = { memory: state.memory, table, rounds: ROUNDS, permits: PERMITS, threads: THREADS };
    const shared = { places: sharedInts(MAX_SLOTS), trials: sharedInts(MAX_SLOTS), arrived: sharedInts(1) };
    const reports = await Promise.all(
      Array.from({ length: THREADS }, (_, thread) => hammer({ ...common, ...shared, thread })),
    );

    expect(reports.map(({ violations }) => violations)).toEqual(Array.from({ length: THREADS }, () => 0));
    expect(Math.min(...reports.map(({ entered }) => entered))).toBeGreaterThan(ROUNDS / 50);
    expect([...state.occupancy.memory].every((places) => places === 0)).toBe(true);
    expect(state.counters.every(({ active }) => active.every((places) => places === 0))).toBe(true);

    const trial = slots.of('b0@127.0.0.1:1')!.slot;
    const taken = Array.from({ length: PERMITS + 1 }, () => state.gates.take(trial));
    expect(taken).toEqual([1, 1, SHUT]);
    for (let count = 0; count < PERMITS; count++) state.gates.giveBack(trial, 1);

    const room = PERMITS + backends.slice(1).reduce((sum, { hardLimit }) => sum + hardLimit, 0);
    const places = Array.from({ length: room }, () => late.enter('10.9.9.9', []) as Place);
    expect(places.filter((place) => typeof place !== 'object')).toEqual([]);
    expect(places.filter(({ permit }) => permit !== undefined && permit !== NO_PERMIT)).toHaveLength(PERMITS);
    expect(late.enter('10.9.9.9', [])).toBe('all_full');

    // Every list of the table of bindings is whole: it empties, fills up to its cap, and knows the youngest.
    const clock = { ms: Infinity };
    const memory = state.memory.affinity;
    const affinity = new Affinity({
      binding: { ttlMs: 1 },
      now: () => clock.ms,
      memory,
      holder: THREADS + 2,
    });
    expect(affinity.size).toBeGreaterThan(0);
    expect(affinity.collectGarbage()).toBeGreaterThan(0);
    expect(affinity.size).toBe(0);
    clock.ms = 0;
    for (let client = 0; client < 2 * memory.clients.maxEntries; client++)
      affinity.bind(clientOf(client), client, EVERY_APP);
    expect(affinity.size).toBe(memory.clients.maxEntries);
    for (let client = memory.clients.maxEntries; client < 2 * memory.clients.maxEntries; client++)
      expect(affinity.boundTo(clientOf(client), EVERY_APP)).toBe(client);
  });
});

const clientOf = (number: number): IpAddress => IpAddress.of(`10.1.${number >> 8}.${number & 255}`);
