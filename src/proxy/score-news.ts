import { sharedInts } from './shared-columns.ts';

/** Entries kept for each thread; who falls behind so far looks at everything. */
const ENTRIES = 8_192;

/** One thread's log of slots whose score has changed: a counter of entries, then the entries as a ring. */
export type NewsMemory = Int32Array<SharedArrayBuffer>;

export function newNewsMemory(): NewsMemory {
  return sharedInts(1 + ENTRIES);
}

/**
 * What the threads tell each other about the backends: "the load of this slot has changed".
 *
 * Each thread writes one log and reads those of the others before it picks, so its scores are as fresh as theirs and
 * nothing is scanned. The entry of a backend whose place has been freed is how a full one becomes free everywhere.
 */
export class ScoreNews {
  readonly #own: NewsMemory;
  readonly #others: readonly NewsMemory[];
  readonly #seen: Float64Array;

  constructor(own: NewsMemory, others: readonly NewsMemory[]) {
    this.#own = own;
    this.#others = others;
    this.#seen = Float64Array.from(others, (log) => Atomics.load(log, 0));
  }

  tell(slot: number): void {
    if (this.#others.length === 0) return;
    const count = this.#own[0]!;
    Atomics.store(this.#own, 1 + (count & (ENTRIES - 1)), slot);
    // Wraps around; only differences count.
    Atomics.store(this.#own, 0, (count + 1) | 0);
  }

  /** Calls `refresh` for every slot in the news, or `refreshAll` when some were missed. */
  follow(refresh: (slot: number) => void, refreshAll: () => void): void {
    for (let index = 0; index < this.#others.length; index++) {
      const log = this.#others[index]!;
      const seen = this.#seen[index]!;
      const count = Atomics.load(log, 0);
      if (count === seen) continue;
      this.#seen[index] = count;
      for (let entry = seen; entry !== count && missed(count, entry) < ENTRIES; entry = (entry + 1) | 0)
        refresh(Atomics.load(log, 1 + (entry & (ENTRIES - 1))));
      // The ring may have gone round while it was read; an entry is written before it is counted.
      if (missed(Atomics.load(log, 0), seen) >= ENTRIES) refreshAll();
    }
  }
}

function missed(count: number, seen: number): number {
  return (count - seen) >>> 0;
}
