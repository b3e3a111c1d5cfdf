import { type Backend, incarnationOf } from '../domain/backend.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
import type { Counters } from './counters.ts';

interface Occupant {
  readonly slot: number;
  readonly backendId: string;
  /** Still a row that is not deleted. */
  wanted: boolean;
}

/**
 * Which backend owns which row of the counters.
 *
 * A slot belongs to an incarnation (id and address), survives every change of weight, limits and eligibility, and
 * is given to another backend only when no incarnation of its id is wanted any more, its last connection has ended
 * and its last numbers were scraped: so the totals of an id never fall while it exists. When all slots are taken,
 * neither is waited for.
 */
export class SlotTable {
  readonly #counters: Counters;
  readonly #occupants = new Map<string, Occupant>();
  readonly #free: number[] = [];
  #nextUnused = 0;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /**
   * Gives every backend of the set its slot; returns the ids of backends that got none because all are taken.
   *
   * @param onAssigned called for every slot that has another backend than before
   */
  assign({ eligible, excluded }: EligibleSet, onAssigned: (slot: number) => void): readonly string[] {
    for (const occupant of this.#occupants.values()) occupant.wanted = false;
    const kept = excluded
      .filter(({ reason }) => reason !== 'deleted' && reason !== 'draining')
      .map(({ backend }) => backend);
    const wanted = [...eligible.map(({ backend }) => backend), ...kept];
    return wanted.filter((backend) => !this.#occupy(backend, onAssigned)).map(({ id }) => id);
  }

  /** The slot of a backend, or -1 when it has none. */
  slotOf(incarnation: string): number {
    return this.#occupants.get(incarnation)?.slot ?? -1;
  }

  /** Every slot in use, by backend id; one id has several slots while an old incarnation still has connections. */
  slotsById(): ReadonlyMap<string, readonly number[]> {
    const slots = new Map<string, number[]>();
    for (const { backendId, slot } of this.#occupants.values()) {
      const list = slots.get(backendId);
      if (list === undefined) slots.set(backendId, [slot]);
      else list.push(slot);
    }
    return slots;
  }

  /** Tells that the present numbers of all slots have been read; what is gone and silent is freed. */
  scraped(): void {
    const wantedIds = new Set([...this.#occupants.values()].flatMap((o) => (o.wanted ? o.backendId : [])));
    this.#sweep(({ backendId }) => !wantedIds.has(backendId));
  }

  #occupy(backend: Backend, onAssigned: (slot: number) => void): boolean {
    const incarnation = incarnationOf(backend);
    const occupant = this.#occupants.get(incarnation);
    if (occupant !== undefined) {
      occupant.wanted = true;
      return true;
    }
    const { maxSlots } = this.#counters;
    if (this.#free.length === 0 && this.#nextUnused === maxSlots) this.#sweep(() => true);
    const slot = this.#free.pop() ?? (this.#nextUnused < maxSlots ? this.#nextUnused++ : undefined);
    if (slot === undefined) return false;
    this.#counters.clear(slot);
    onAssigned(slot);
    this.#occupants.set(incarnation, { slot, backendId: backend.id, wanted: true });
    return true;
  }

  #sweep(maySweep: (occupant: Occupant) => boolean): void {
    for (const [incarnation, occupant] of this.#occupants) {
      if (occupant.wanted || this.#counters.active[occupant.slot]! > 0 || !maySweep(occupant)) continue;
      this.#occupants.delete(incarnation);
      this.#free.push(occupant.slot);
    }
  }
}
