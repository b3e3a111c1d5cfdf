import { type Backend, incarnationOf } from '../domain/backend.ts';
import type { EligibleBackend, EligibleSet } from '../domain/eligibility.ts';
import { BackendPicker, loadScore } from '../domain/load-balancing.ts';
import type { RefusalReason } from '../domain/outcome.ts';
import type { GeoResolver, Random } from '../domain/ports.ts';
import type { Affinity } from './affinity.ts';
import type { Counters } from './counters.ts';
import { Gates } from './gates.ts';
import type { SlotTable } from './slot-table.ts';

export interface RouterOptions {
  readonly ownRegion: string;
  readonly geo: GeoResolver;
  readonly affinity: Affinity;
  readonly counters: Counters;
  readonly slots: SlotTable;
  readonly random: Random;
}

/** A reserved place at a backend. Whoever holds it gives it back exactly once with `Router.leave`. */
export interface Place {
  readonly slot: number;
  readonly backend: Backend;
  /** Of the backend's breaker, when the place was taken; goes with every outcome. */
  readonly epoch: number;
  /** The grant of the permit that the place holds while its breaker is half-open, until it is settled. */
  permit: number | undefined;
}

/** What one set looks like to the router; replaced as a whole, never changed. */
interface Routes {
  readonly picker: BackendPicker;
  readonly backends: readonly Backend[];
  /** By index. */
  readonly slots: readonly number[];
  /** Incarnation to index. */
  readonly indexOf: ReadonlyMap<string, number>;
}

/**
 * The decisions of the proxy, free of sockets: which backend a client gets, and whether there is room.
 *
 *     enter(client, tried) ─► affinity ─► pick by geo tier and load ─► reserve slot and permit   (one tick)
 *                                                                        │
 *     connected(client, place) ─► bind      settle(place, result) ─►      │ permit back, or void
 *                                           leave(place)  ◄──────────────┘   exactly once
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #gates: Gates;
  readonly #indexOfSlot: Int32Array;
  #routes: Routes;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#gates = new Gates(options.counters.maxSlots);
    this.#indexOfSlot = new Int32Array(options.counters.maxSlots).fill(-1);
    this.#routes = this.#build([]);
  }

  /** Routes new connections by this set from now on; returns the ids of backends that found no slot. */
  apply(set: EligibleSet): readonly string[] {
    const slotless = this.#options.slots.assign(set, (slot) => this.#gates.clear(slot));
    for (const slot of this.#routes.slots) this.#indexOfSlot[slot] = -1;
    this.#routes = this.#build(set.eligible);
    return slotless;
  }

  /**
   * Picks a backend for the client and reserves a place there, in one go; or says why there is none.
   *
   * @param client address of the client, IPv4-mapped ones normalised
   * @param tried places that failed for this client before; it gets none of these backends again
   */
  enter(client: string, tried: readonly Place[]): Place | RefusalReason {
    const { picker, backends, slots } = this.#routes;
    const triedIndices = tried.flatMap(
      ({ backend }) => this.#routes.indexOf.get(incarnationOf(backend)) ?? [],
    );
    const bound = this.#boundIndex(client);
    const index =
      bound >= 0 && !triedIndices.includes(bound) && this.#scoreOf(backends[bound]!, slots[bound]!) < Infinity
        ? bound
        : picker.pick(this.#options.geo.locate(client), triedIndices, this.#options.random());
    if (index < 0) {
      if (backends.length > triedIndices.length) return 'all_full';
      return tried.length > 0 ? 'connect_failed' : 'no_backend';
    }
    const slot = slots[index]!;
    this.#options.counters.active[slot]!++;
    const permit = this.#gates.take(slot);
    this.#refreshScore(slot);
    return { slot, backend: backends[index]!, epoch: this.#gates.epochOf(slot), permit };
  }

  /** Whether new clients may be sent to this incarnation, by the set in force. */
  routesTo(incarnation: string): boolean {
    return this.#routes.indexOf.has(incarnation);
  }

  /** Binds the client to the backend that it has been connected to. */
  connected(client: string, { backend }: Place): void {
    this.#options.affinity.bind(client, incarnationOf(backend));
  }

  /**
   * Tells the outcome of a place that may hold a half-open permit.
   *
   * A success, or an end without an outcome, frees it for the next trial. A failure voids it: the circuit opens, and
   * until the set that says so is here, nobody may come in its stead.
   */
  settle(place: Place, result: 'success' | 'failure' | 'none'): void {
    if (place.permit === undefined) return;
    if (result !== 'failure') this.#gates.giveBack(place.slot, place.permit);
    place.permit = undefined;
    this.#refreshScore(place.slot);
  }

  /** Gives a place back. */
  leave(place: Place): void {
    this.settle(place, 'none');
    this.#options.counters.active[place.slot]!--;
    this.#refreshScore(place.slot);
  }

  #boundIndex(client: string): number {
    const incarnation = this.#options.affinity.boundTo(client);
    return incarnation === undefined ? -1 : (this.#routes.indexOf.get(incarnation) ?? -1);
  }

  #scoreOf(backend: Backend, slot: number): number {
    return this.#gates.isShut(slot) ? Infinity : loadScore(this.#options.counters.active[slot]!, backend);
  }

  #refreshScore(slot: number): void {
    const index = this.#indexOfSlot[slot]!;
    const { picker, backends } = this.#routes;
    if (index >= 0) picker.setScore(index, this.#scoreOf(backends[index]!, slot));
  }

  #build(eligible: readonly EligibleBackend[]): Routes {
    const indexOf = new Map<string, number>();
    const backends: Backend[] = [];
    const slots: number[] = [];
    for (const { backend, gate } of eligible) {
      const incarnation = incarnationOf(backend);
      const slot = this.#options.slots.slotOf(incarnation);
      if (slot < 0) continue;
      this.#gates.apply(slot, gate);
      this.#indexOfSlot[slot] = backends.length;
      indexOf.set(incarnation, backends.length);
      backends.push(backend);
      slots.push(slot);
    }
    const { ownRegion } = this.#options;
    const picker = new BackendPicker(backends, ownRegion, (index) =>
      this.#scoreOf(backends[index]!, slots[index]!),
    );
    return { picker, backends, slots, indexOf };
  }
}
