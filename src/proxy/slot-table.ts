import { type Backend, incarnationOf } from '../domain/backend.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
import { IpAddress } from './ip-address.ts';
import type { Occupancy } from './occupancy.ts';
import { MAX_SLOTS } from './shared-columns.ts';

/** Who has a slot. */
export interface Occupant {
  readonly slot: number;
  /** The slot and how often it has changed hands, as one number: what threads and bindings know a backend by. */
  readonly tenancy: number;
  readonly incarnation: string;
  readonly backend: Backend;
  readonly address: IpAddress;
}

/** Who is where, as whoever relays asks for it. */
export interface Occupants {
  /** Who has the incarnation's slot, when it has one. */
  of(incarnation: string): Occupant | undefined;
  /** Who has a slot now; who had it before when it is free. */
  at(slot: number): Occupant | undefined;
  /** Who has a tenancy, or nobody when its slot has changed hands. */
  holding(tenancy: number): Occupant | undefined;
}

interface Tenant extends Occupant {
  backend: Backend;
  /** Still a row that is not deleted. */
  wanted: boolean;
}

const SLOT_MASK = MAX_SLOTS - 1;
/** A tenancy is never below zero: that is how nobody is told from somebody. */
const MOST_GENERATIONS = 0x7fff;

export function slotOfTenancy(tenancy: number): number {
  return tenancy & SLOT_MASK;
}

/**
 * Which backend owns which row of the counters.
 *
 * A slot belongs to an incarnation (id and address), survives every change of weight, limits and eligibility, and
 * is given to another backend only when no incarnation of its id is wanted any more, its last connection has ended
 * and its last numbers were scraped: so the totals of an id never fall while it exists. When all slots are taken,
 * neither of the latter is waited for. No slot changes hands while some thread may still route by an older set.
 */
export class SlotTable implements Occupants {
  readonly #occupancy: Occupancy;
  readonly #tenants = new Map<string, Tenant>();
  readonly #bySlot: (Tenant | undefined)[] = [];
  readonly #generations = new Uint16Array(MAX_SLOTS);
  readonly #free: number[] = [];
  #nextUnused = 0;
  #isInForce = true;

  constructor(occupancy: Occupancy) {
    this.#occupancy = occupancy;
  }

  /**
   * Gives every backend of the set its slot; returns the ids of backends that got none because all are taken.
   *
   * @param onAssigned called for every slot that has another backend than before
   */
  assign({ eligible, excluded }: EligibleSet, onAssigned: (slot: number) => void): readonly string[] {
    for (const tenant of this.#tenants.values()) tenant.wanted = false;
    const kept = excluded
      .filter(({ reason }) => reason !== 'deleted' && reason !== 'draining')
      .map(({ backend }) => backend);
    const wanted = [...eligible.map(({ backend }) => backend), ...kept];
    const slotless = wanted.filter((backend) => !this.#occupy(backend, onAssigned)).map(({ id }) => id);
    this.#isInForce = false;
    return slotless;
  }

  /** Every thread routes by the set that was assigned last. */
  inForce(): void {
    this.#isInForce = true;
  }

  of(incarnation: string): Occupant | undefined {
    return this.#tenants.get(incarnation);
  }

  /** Everybody who has a slot. */
  occupants(): readonly Occupant[] {
    return [...this.#tenants.values()];
  }

  at(slot: number): Occupant | undefined {
    return this.#bySlot[slot];
  }

  holding(tenancy: number): Occupant | undefined {
    const occupant = this.#bySlot[slotOfTenancy(tenancy)];
    return occupant?.tenancy === tenancy ? occupant : undefined;
  }

  /** Every slot in use, by backend id; one id has several slots while an old incarnation still has connections. */
  slotsById(): ReadonlyMap<string, readonly number[]> {
    const slots = new Map<string, number[]>();
    for (const { backend, slot } of this.#tenants.values()) {
      const list = slots.get(backend.id);
      if (list === undefined) slots.set(backend.id, [slot]);
      else list.push(slot);
    }
    return slots;
  }

  /** Tells that the present numbers of all slots have been read; what is gone and silent is freed. */
  scraped(): void {
    const wantedIds = new Set([...this.#tenants.values()].flatMap((t) => (t.wanted ? t.backend.id : [])));
    this.#sweep(({ backend }) => !wantedIds.has(backend.id));
  }

  #occupy(backend: Backend, onAssigned: (slot: number) => void): boolean {
    const incarnation = incarnationOf(backend);
    const tenant = this.#tenants.get(incarnation);
    if (tenant !== undefined) {
      tenant.wanted = true;
      tenant.backend = backend;
      return true;
    }
    const { maxSlots } = this.#occupancy;
    if (this.#free.length === 0 && this.#nextUnused === maxSlots) this.#sweep(() => true);
    const slot = this.#free.pop() ?? (this.#nextUnused < maxSlots ? this.#nextUnused++ : undefined);
    if (slot === undefined) return false;
    onAssigned(slot);
    const generation = (this.#generations[slot]! % MOST_GENERATIONS) + 1;
    this.#generations[slot] = generation;
    const tenancy = (generation << 16) | slot;
    const address = IpAddress.of(backend.host);
    const newTenant = { slot, tenancy, incarnation, backend, address, wanted: true };
    this.#tenants.set(incarnation, newTenant);
    this.#bySlot[slot] = newTenant;
    return true;
  }

  #sweep(maySweep: (tenant: Tenant) => boolean): void {
    if (!this.#isInForce) return;
    for (const [incarnation, tenant] of this.#tenants) {
      if (tenant.wanted || this.#occupancy.of(tenant.slot) > 0 || !maySweep(tenant)) continue;
      this.#tenants.delete(incarnation);
      this.#free.push(tenant.slot);
    }
  }
}
