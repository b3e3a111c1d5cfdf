const FREE = 0;
const SPINS = 200;
const WAIT_MS = 1;

/** A lock over a few memory accesses, held by one thread at a time; lives in one cell of shared memory. */
export class SharedLock {
  readonly #cells: Int32Array<SharedArrayBuffer>;
  readonly #cell: number;
  readonly #holder: number;

  /** @param holder a number above 0 that is this thread's alone */
  constructor(cells: Int32Array<SharedArrayBuffer>, cell: number, holder: number) {
    this.#cells = cells;
    this.#cell = cell;
    this.#holder = holder;
  }

  acquire(): void {
    for (let spin = 1; ; spin++) {
      const holder = Atomics.compareExchange(this.#cells, this.#cell, FREE, this.#holder);
      if (holder === FREE) return;
      // Its holder may have lost its processor.
      if (spin % SPINS === 0) Atomics.wait(this.#cells, this.#cell, holder, WAIT_MS);
    }
  }

  /** As `acquire`, but gives up after a while: for who must not wait for a holder that may be dead. */
  tryAcquire(): boolean {
    for (let spin = 0; spin < SPINS; spin++)
      if (Atomics.compareExchange(this.#cells, this.#cell, FREE, this.#holder) === FREE) return true;
    return false;
  }

  release(): void {
    Atomics.store(this.#cells, this.#cell, FREE);
  }

  /** Takes it from a thread that has died with it in hand; false when that had not. */
  inherit(holder: number): boolean {
    return Atomics.compareExchange(this.#cells, this.#cell, holder, this.#holder) === holder;
  }
}
