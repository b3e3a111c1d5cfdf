import { DISCARD_REASONS, type DiscardReason, type PoolReport } from '../domain/pool.ts';
import type { PoolSource } from '../domain/ports.ts';
import type { PoolCounters } from './pool-counters.ts';
import type { SlotTable } from './slot-table.ts';

/** Makes reports of the pools of all threads: one entry a backend, the incarnations of one id added up. */
export function createPoolSource(counters: readonly PoolCounters[], slots: SlotTable): PoolSource {
  return {
    report: () => ({
      ...poolTotals(counters),
      backends: [...slots.slotsById()].map(([backendId, own]) => {
        const sum = (column: 'hits' | 'misses' | 'warm'): number =>
          total(counters, (thread) => own.reduce((inner, slot) => inner + thread[column][slot]!, 0));
        return { backendId, hits: sum('hits'), misses: sum('misses'), warm: sum('warm') };
      }),
    }),
  };
}

/** The numbers that do not concern one backend. */
export function poolTotals(counters: readonly PoolCounters[]): Omit<PoolReport, 'backends'> {
  return {
    discarded: Object.fromEntries(
      DISCARD_REASONS.map((reason) => [reason, total(counters, (thread) => thread.discards(reason))]),
    ) as Record<DiscardReason, number>,
    returned: total(counters, (thread) => thread.total('returned')),
    connectFailures: total(counters, (thread) => thread.total('connectFailures')),
  };
}

function total(counters: readonly PoolCounters[], valueOf: (thread: PoolCounters) => number): number {
  return counters.reduce((sum, thread) => sum + valueOf(thread), 0);
}
