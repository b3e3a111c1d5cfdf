import type { PoolSettings } from '../domain/pool.ts';
import type { Occupancy } from './occupancy.ts';
import type { PoolCounters } from './pool-counters.ts';
import { slotOfTenancy } from './slot-table.ts';

export interface PoolSharesOptions {
  /** Read anew each time. */
  readonly settings: PoolSettings;
  /** How many connections all threads together keep for each backend. */
  readonly shares: Occupancy;
  /** This thread's own. */
  readonly counters: PoolCounters;
}

/** What the connections of the pool of one thread hold of the cap of their backends, which all threads share. */
export class PoolShares {
  readonly #options: PoolSharesOptions;

  constructor(options: PoolSharesOptions) {
    this.#options = options;
  }

  /** Of all threads. */
  of(tenancy: number): number {
    return this.#options.shares.of(slotOfTenancy(tenancy));
  }

  /** False when there is none left. */
  take(tenancy: number): boolean {
    const { shares, counters, settings } = this.#options;
    const slot = slotOfTenancy(tenancy);
    if (!shares.tryEnter(slot, settings.maxPerBackend)) return false;
    counters.warm[slot]!++;
    return true;
  }

  leave(tenancy: number): void {
    const { shares, counters } = this.#options;
    const slot = slotOfTenancy(tenancy);
    counters.warm[slot]!--;
    shares.leave(slot);
  }
}
