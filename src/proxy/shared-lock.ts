const FREE = 0;
const SPINS = 200;
const WAIT_MS = 1;

type Cells = Int32Array<SharedArrayBuffer>;

/**
 * Takes the lock in a cell of shared memory; false when it had to be taken from a holder.
 *
 * @param holder a number above 0 that is this thread's alone
 * @param patience how often to wait, a millisecond each time, before the lock is taken from a holder that must be dead;
 *   for who can bear what that one has left half done
 */
export function acquireLock(cells: Cells, cell: number, holder: number, patience = Infinity): boolean {
  for (let spin = 1; ; spin++) {
    const other = Atomics.compareExchange(cells, cell, FREE, holder);
    if (other === FREE) return true;
    if (spin % SPINS !== 0) continue;
    if (spin / SPINS > patience && inheritLock(cells, cell, other, holder)) return false;
    // Its holder may have lost its processor.
    Atomics.wait(cells, cell, other, WAIT_MS);
  }
}

export function releaseLock(cells: Cells, cell: number): void {
  Atomics.store(cells, cell, FREE);
}

/** Takes the lock from a thread that has died with it in hand; false when that had not. */
export function inheritLock(cells: Cells, cell: number, holder: number, heir: number): boolean {
  return Atomics.compareExchange(cells, cell, holder, heir) === holder;
}

/** A lock over a few memory accesses, held by one thread at a time; lives in one cell of shared memory. */
export class SharedLock {
  readonly #cells: Cells;
  readonly #cell: number;
  readonly #holder: number;

  /** @param holder a number above 0 that is this thread's alone */
  constructor(cells: Cells, cell: number, holder: number) {
    this.#cells = cells;
    this.#cell = cell;
    this.#holder = holder;
  }

  /** See `acquireLock`. */
  acquire(patience?: number): boolean {
    return acquireLock(this.#cells, this.#cell, this.#holder, patience);
  }

  /** As `acquire`, but gives up after a while: for who must not wait for a holder that may be dead. */
  tryAcquire(): boolean {
    for (let spin = 0; spin < SPINS; spin++)
      if (Atomics.compareExchange(this.#cells, this.#cell, FREE, this.#holder) === FREE) return true;
    return false;
  }

  release(): void {
    releaseLock(this.#cells, this.#cell);
  }

  /** Takes it from a thread that has died with it in hand; false when that had not. */
  inherit(holder: number): boolean {
    return inheritLock(this.#cells, this.#cell, holder, this.#holder);
  }
}
