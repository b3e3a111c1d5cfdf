/**
 * How many places are taken at every backend, connecting and connected, by all threads together: what hard limits
 * bound, exactly.
 */
export class Occupancy {
  readonly memory: Int32Array<SharedArrayBuffer>;

  /** @param memory one cell a slot */
  constructor(memory: Int32Array<SharedArrayBuffer>) {
    this.memory = memory;
  }

  get maxSlots(): number {
    return this.memory.length;
  }

  of(slot: number): number {
    return Atomics.load(this.memory, slot);
  }

  /** Takes a place unless `hardLimit` are taken; 0 is no limit. */
  tryEnter(slot: number, hardLimit: number): boolean {
    for (;;) {
      const taken = Atomics.load(this.memory, slot);
      if (hardLimit > 0 && taken >= hardLimit) return false;
      if (Atomics.compareExchange(this.memory, slot, taken, taken + 1) === taken) return true;
    }
  }

  /** Gives places back; several only for a thread that has died with them. */
  leave(slot: number, places = 1): void {
    Atomics.sub(this.memory, slot, places);
  }
}
