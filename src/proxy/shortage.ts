import type { MonotonicClock } from '../domain/ports.ts';
import { sharedInts } from './shared-columns.ts';

/** How long nothing is opened for a pool after descriptors have run short. */
const REST_MS = 1_000;

/** How often they have, and when last: milliseconds as 32 bits that wrap around. */
const CELL = { COUNT: 0, TOLD_MS: 1 } as const;

/** What all threads share: may be sent to a thread. */
export type ShortageMemory = Int32Array<SharedArrayBuffer>;

export function newShortageMemory(): ShortageMemory {
  return sharedInts(Object.keys(CELL).length);
}

/** Of the pools of all threads: that clients want descriptors, told by whichever thread noticed. */
export class Shortage {
  readonly #cells: ShortageMemory;
  readonly #now: MonotonicClock;
  #seen: number;
  #restsUntilMs = -Infinity;

  /** @param now the same clock in every thread */
  constructor(memory: ShortageMemory, now: MonotonicClock) {
    this.#cells = memory;
    this.#now = now;
    this.#seen = Atomics.load(memory, CELL.COUNT);
  }

  /** Descriptors have run short here. */
  tell(): void {
    Atomics.store(this.#cells, CELL.TOLD_MS, this.#now() | 0);
    Atomics.add(this.#cells, CELL.COUNT, 1);
  }

  /** Whether they have run short anywhere since this was asked last, and not so long ago that it is over. */
  isNew(): boolean {
    const count = Atomics.load(this.#cells, CELL.COUNT);
    if (count === this.#seen) return false;
    this.#seen = count;
    const agoMs = ((this.#now() | 0) - Atomics.load(this.#cells, CELL.TOLD_MS)) | 0;
    // Another thread may have told a moment after this one has looked at the clock.
    if (agoMs >= REST_MS || agoMs <= -REST_MS) return false;
    this.#restsUntilMs = this.#now() + REST_MS - agoMs;
    return true;
  }

  /** Nothing is opened here for a while. */
  rest(): void {
    this.#restsUntilMs = this.#now() + REST_MS;
  }

  get mayOpen(): boolean {
    return this.#now() >= this.#restsUntilMs;
  }
}
