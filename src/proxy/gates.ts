import { type CircuitGate, OPEN_GATE } from '../domain/eligibility.ts';
import { MAX_SLOTS } from './counters.ts';

const UNLIMITED = -1;

/**
 * What breakers admit, by slot: the breaker's machine decides, its decision comes with the set, and permits are taken
 * here in the same tick as the pick.
 *
 * In shared memory, beside the counters, and written only where a connection or a set changes something.
 */
export class Gates {
  readonly #epochs: Int32Array;
  readonly #grants: Int32Array;
  readonly #permits: Int32Array;
  /** Permits of the present grant under way; they count on while a panic lifts the limit, and when it changes. */
  readonly #taken: Int32Array;

  constructor(maxSlots = MAX_SLOTS) {
    this.#epochs = cells(maxSlots);
    this.#grants = cells(maxSlots);
    this.#permits = cells(maxSlots).fill(UNLIMITED);
    this.#taken = cells(maxSlots);
  }

  /** Takes over a decision; a new grant forgets the permits under way. */
  apply(slot: number, { epoch, grant, permits }: CircuitGate): void {
    if (this.#grants[slot] !== grant) this.#taken[slot] = 0;
    this.#epochs[slot] = epoch;
    this.#grants[slot] = grant;
    this.#permits[slot] = permits ?? UNLIMITED;
  }

  /** Opens the gate of a slot that another backend had before. */
  clear(slot: number): void {
    this.apply(slot, OPEN_GATE);
  }

  epochOf(slot: number): number {
    return this.#epochs[slot]!;
  }

  isShut(slot: number): boolean {
    return this.#permits[slot] !== UNLIMITED && this.#taken[slot]! >= this.#permits[slot]!;
  }

  /** Takes a permit; returns its grant, or `undefined` where none is needed. Not for a gate that is shut. */
  take(slot: number): number | undefined {
    if (this.#permits[slot] === UNLIMITED) return undefined;
    this.#taken[slot]!++;
    return this.#grants[slot]!;
  }

  /** Gives a permit back; one of an older grant is void. */
  giveBack(slot: number, grant: number): void {
    if (this.#grants[slot] === grant) this.#taken[slot]!--;
  }
}

function cells(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
}
