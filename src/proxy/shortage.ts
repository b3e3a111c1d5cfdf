/** How long nothing is opened for a pool after descriptors have run short. */
const REST_MS = 1_000;

/** Of the pools of all threads: that clients want descriptors, told by whichever thread noticed. */
export class Shortage {
  /** How often descriptors have run short. */
  readonly #count: Int32Array<SharedArrayBuffer>;
  #seen: number;
  #restsUntilMs = -Infinity;

  /** @param count one cell that all threads share */
  constructor(count: Int32Array<SharedArrayBuffer>) {
    this.#count = count;
    this.#seen = Atomics.load(count, 0);
  }

  /** Descriptors have run short here. */
  tell(): void {
    Atomics.add(this.#count, 0, 1);
  }

  /** Whether they have run short anywhere since this was asked last. */
  isNew(nowMs: number): boolean {
    const count = Atomics.load(this.#count, 0);
    if (count === this.#seen) return false;
    this.#seen = count;
    this.rest(nowMs);
    return true;
  }

  /** Nothing is opened here for a while. */
  rest(nowMs: number): void {
    this.#restsUntilMs = nowMs + REST_MS;
  }

  mayOpen(nowMs: number): boolean {
    return nowMs >= this.#restsUntilMs;
  }
}
