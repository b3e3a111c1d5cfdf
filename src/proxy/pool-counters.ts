import { DISCARD_REASONS, type DiscardReason } from '../domain/pool.ts';
import { sharedInts, sharedNumbers } from './shared-columns.ts';

const TOTALS = { returned: 0, connectFailures: 1, discarded: 2 } as const;
const TOTAL_CELLS = TOTALS.discarded + DISCARD_REASONS.length;

/** Columns by slot, but `totals`. */
export interface PoolCountersMemory {
  readonly warm: Int32Array<SharedArrayBuffer>;
  readonly hits: Float64Array<SharedArrayBuffer>;
  readonly misses: Float64Array<SharedArrayBuffer>;
  readonly totals: Float64Array<SharedArrayBuffer>;
}

export function newPoolCountersMemory(maxSlots: number): PoolCountersMemory {
  return {
    warm: sharedInts(maxSlots),
    hits: sharedNumbers(maxSlots),
    misses: sharedNumbers(maxSlots),
    totals: sharedNumbers(TOTAL_CELLS),
  };
}

/** The numbers of the pool of one thread, in shared memory: the thread alone writes, anybody reads them at any time. */
export class PoolCounters {
  /** Connections that this thread keeps, or opens to keep, for a backend. */
  readonly warm: Int32Array;
  readonly hits: Float64Array;
  readonly misses: Float64Array;
  readonly #totals: Float64Array;

  constructor(memory: PoolCountersMemory) {
    this.warm = memory.warm;
    this.hits = memory.hits;
    this.misses = memory.misses;
    this.#totals = memory.totals;
  }

  returned(): void {
    this.#totals[TOTALS.returned]!++;
  }

  connectFailed(): void {
    this.#totals[TOTALS.connectFailures]!++;
  }

  discarded(reason: DiscardReason): void {
    this.#totals[TOTALS.discarded + DISCARD_REASONS.indexOf(reason)]!++;
  }

  total(name: 'returned' | 'connectFailures'): number {
    return this.#totals[TOTALS[name]]!;
  }

  discards(reason: DiscardReason): number {
    return this.#totals[TOTALS.discarded + DISCARD_REASONS.indexOf(reason)]!;
  }

  /** Forgets a slot before its next backend uses it; totals stay. */
  clear(slot: number): void {
    this.hits[slot] = 0;
    this.misses[slot] = 0;
  }
}
