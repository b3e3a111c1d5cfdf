import { type CircuitGate, OPEN_GATE } from '../domain/eligibility.ts';
import { sharedInts } from './shared-columns.ts';

/** Permits are kept plus one, so that fresh memory lets everybody in. */
const UNLIMITED = 0;

/** A permit: the low bits of the grant that it was given out under, or one of these two. */
export const NO_PERMIT = -1;
export const SHUT = -2;

/** A cell holds a grant above and how many of its permits are under way below, so that both change as one. */
const TAKEN_BITS = 12;
const MOST_TAKEN = (1 << TAKEN_BITS) - 1;
const GRANT_MASK = (1 << (31 - TAKEN_BITS)) - 1;

export interface GatesMemory {
  readonly epochs: Int32Array<SharedArrayBuffer>;
  readonly permits: Int32Array<SharedArrayBuffer>;
  readonly grants: Int32Array<SharedArrayBuffer>;
}

/**
 * What breakers admit, by slot: the breaker's machine decides, its decision is written here, and permits are taken
 * here in the same tick as the pick, by any thread.
 *
 * The owner of the set writes `apply`; whoever has a client takes and gives back.
 */
export class Gates {
  readonly memory: GatesMemory;
  readonly #epochs: Int32Array;
  readonly #permits: Int32Array;
  readonly #grants: Int32Array;

  constructor(memory: GatesMemory) {
    this.memory = memory;
    this.#epochs = memory.epochs;
    this.#permits = memory.permits;
    this.#grants = memory.grants;
  }

  /** Takes over a decision; a new grant forgets the permits under way. */
  apply(slot: number, { epoch, grant, permits }: CircuitGate): void {
    const tag = grant & GRANT_MASK;
    // Nobody may enter between the parts: by the old permits with the new epoch, or by new ones with the old grant.
    const isSame = Atomics.load(this.#epochs, slot) === epoch && this.#tagOf(slot) === tag;
    if (!isSame) {
      Atomics.store(this.#permits, slot, cellOf(0));
      Atomics.store(this.#epochs, slot, epoch);
      if (this.#tagOf(slot) !== tag) Atomics.store(this.#grants, slot, tag << TAKEN_BITS);
    }
    Atomics.store(this.#permits, slot, cellOf(permits));
  }

  /** Opens the gate of a slot that another backend had before. */
  clear(slot: number): void {
    this.apply(slot, OPEN_GATE);
  }

  epochOf(slot: number): number {
    return Atomics.load(this.#epochs, slot);
  }

  /** Whether permits are needed. */
  isLimited(slot: number): boolean {
    return Atomics.load(this.#permits, slot) !== UNLIMITED;
  }

  isShut(slot: number): boolean {
    const permits = Atomics.load(this.#permits, slot);
    return permits !== UNLIMITED && (Atomics.load(this.#grants, slot) & MOST_TAKEN) >= permits - 1;
  }

  /** Whether permits are needed, and some are out. */
  hasTaken(slot: number): boolean {
    return this.isLimited(slot) && (Atomics.load(this.#grants, slot) & MOST_TAKEN) > 0;
  }

  /** Takes a permit where one is needed: `NO_PERMIT` where none is, `SHUT` where none is left. */
  take(slot: number): number {
    for (;;) {
      const cell = Atomics.load(this.#grants, slot);
      const permits = Atomics.load(this.#permits, slot);
      if (permits === UNLIMITED) return NO_PERMIT;
      if ((cell & MOST_TAKEN) >= permits - 1) return SHUT;
      if (Atomics.compareExchange(this.#grants, slot, cell, cell + 1) === cell) return cell >>> TAKEN_BITS;
    }
  }

  /** Gives a permit back; one of an older grant is void. */
  giveBack(slot: number, permit: number): void {
    for (;;) {
      const cell = Atomics.load(this.#grants, slot);
      if (cell >>> TAKEN_BITS !== permit || (cell & MOST_TAKEN) === 0) return;
      if (Atomics.compareExchange(this.#grants, slot, cell, cell - 1) === cell) return;
    }
  }

  #tagOf(slot: number): number {
    return Atomics.load(this.#grants, slot) >>> TAKEN_BITS;
  }
}

function cellOf(permits: number | undefined): number {
  return permits === undefined ? UNLIMITED : Math.min(permits, MOST_TAKEN) + 1;
}

export function newGatesMemory(maxSlots: number): GatesMemory {
  return {
    epochs: sharedInts(maxSlots),
    permits: sharedInts(maxSlots),
    grants: sharedInts(maxSlots),
  };
}
