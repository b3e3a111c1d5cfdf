import { DISCARD_REASONS, type DiscardReason } from '../domain/pool.ts';
import type { PoolSource } from '../domain/ports.ts';
import type { PoolCounters } from './pool-counters.ts';
import type { SlotTable } from './slot-table.ts';

/** Makes reports of the pools of all threads: one entry a backend, the incarnations of one id added up. */
export function createPoolSource(counters: readonly PoolCounters[], slots: SlotTable): PoolSource {
  const total = (valueOf: (thread: PoolCounters) => number): number =>
    counters.reduce((sum, thread) => sum + valueOf(thread), 0);
  return {
    report: () => ({
      backends: [...slots.slotsById()].map(([backendId, own]) => {
        const sum = (column: 'hits' | 'misses' | 'warm'): number =>
          total((thread) => own.reduce((inner, slot) => inner + thread[column][slot]!, 0));
        return { backendId, hits: sum('hits'), misses: sum('misses'), warm: sum('warm') };
      }),
      discarded: Object.fromEntries(
        DISCARD_REASONS.map((reason) => [reason, total((thread) => thread.discards(reason))]),
      ) as Record<DiscardReason, number>,
      returned: total((thread) => thread.total('returned')),
      connectFailures: total((thread) => thread.total('connectFailures')),
    }),
  };
}
