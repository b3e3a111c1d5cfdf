import { incarnationOf } from '../domain/backend.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
import type { Logger } from '../domain/ports.ts';
import type { HeaderMode } from '../domain/proxy-protocol/relayed-header.ts';
import { type RouteTable, routeTableOf } from './routes.ts';
import type { SharedState } from './shared-state.ts';
import { type Occupant, SlotTable } from './slot-table.ts';

/** Who is who at the backends: gives eligible sets their slots and makes tables of them that threads route by. */
export class Directory {
  readonly slots: SlotTable;
  /** What connections begin with where a backend does not say it: of the sets to come. */
  header: HeaderMode;
  readonly #state: SharedState;
  readonly #logger: Logger;
  #slotless = 0;
  #version = 0;
  #newcomers: readonly number[] = [];

  constructor(state: SharedState, logger: Logger, header: HeaderMode = 'off') {
    this.#state = state;
    this.#logger = logger;
    this.header = header;
    this.slots = new SlotTable(state.occupancy);
  }

  /** Takes a set over: its slots and gates at once, its table when the caller has brought it into force. */
  publish(set: EligibleSet): RouteTable {
    const newcomers: number[] = [];
    const slotless = this.slots.assign(set, (slot) => {
      this.#clear(slot);
      newcomers.push(slot);
    });
    this.#newcomers = newcomers;
    this.#version = set.version;
    this.#warnOfSlotless(slotless);
    for (const { backend, gate } of set.eligible) {
      const occupant = this.slots.of(incarnationOf(backend));
      if (occupant !== undefined) this.#state.gates.apply(occupant.slot, gate);
    }
    return routeTableOf(set, this.slots, this.header);
  }

  /** Who has got a slot with the set that was taken over last. */
  get newcomers(): readonly Occupant[] {
    return this.#newcomers.map((slot) => this.slots.at(slot)!);
  }

  /** New connections are routed by this set, or a newer one, in every thread. */
  inForce(version: number): void {
    if (version >= this.#version) this.slots.inForce();
  }

  /** Connections at an incarnation, connecting and connected. */
  activeOf(incarnation: string): number {
    const occupant = this.slots.of(incarnation);
    return occupant === undefined ? 0 : this.#state.occupancy.of(occupant.slot);
  }

  #clear(slot: number): void {
    for (const counters of this.#state.counters) counters.clear(slot);
    for (const counters of this.#state.poolCounters) counters.clear(slot);
    this.#state.gates.clear(slot);
    this.#state.attention.clear(slot);
  }

  #warnOfSlotless(slotless: readonly string[]): void {
    const isNews = slotless.length !== this.#slotless;
    this.#slotless = slotless.length;
    if (!isNews || slotless.length === 0) return;
    const line = { backends: slotless.length, first: slotless[0] };
    this.#logger.error(line, 'too many backends, the rest is not routed to');
  }
}
