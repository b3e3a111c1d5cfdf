import { type Backend, incarnationOf } from '../domain/backend.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
import { BackendPicker } from '../domain/load-balancing.ts';
import type { RefusalReason } from '../domain/outcome.ts';
import type { GeoResolver, Random } from '../domain/ports.ts';
import type { Affinity } from './affinity.ts';
import { type Counters, MAX_SLOTS } from './counters.ts';
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
}

/** What one set looks like to the router; replaced as a whole, never changed. */
interface Routes {
  readonly picker: BackendPicker;
  readonly places: readonly Place[];
  /** Incarnation to index. */
  readonly indexOf: ReadonlyMap<string, number>;
}

/**
 * The decisions of the proxy, free of sockets: which backend a client gets, and whether there is room.
 *
 *     enter(client, tried) ─► affinity ─► pick by geo tier and load ─► reserve the slot   (one tick)
 *                                                                        │
 *     connected(client, place) ─► bind                 leave(place) ◄────┘   exactly once
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #indexOfSlot = new Int32Array(MAX_SLOTS).fill(-1);
  #routes: Routes;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#routes = this.#build([]);
  }

  /** Routes new connections by this set from now on; returns the ids of backends that found no slot. */
  apply(set: EligibleSet): readonly string[] {
    const slotless = this.#options.slots.assign(set);
    for (const { slot } of this.#routes.places) this.#indexOfSlot[slot] = -1;
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
    const { picker, places } = this.#routes;
    const triedIndices = tried.flatMap(({ slot }) =>
      this.#indexOfSlot[slot]! < 0 ? [] : this.#indexOfSlot[slot]!,
    );
    const bound = this.#boundIndex(client);
    const index =
      bound >= 0 && !triedIndices.includes(bound) && this.#hasRoom(places[bound]!)
        ? bound
        : picker.pick(this.#options.geo.locate(client), triedIndices, this.#options.random());
    if (index < 0) {
      if (places.length > triedIndices.length) return 'all_full';
      return tried.length > 0 ? 'connect_failed' : 'no_backend';
    }
    const place = places[index]!;
    picker.activeChanged(index, ++this.#options.counters.active[place.slot]!);
    return place;
  }

  /** Binds the client to the backend that it has been connected to. */
  connected(client: string, { backend }: Place): void {
    this.#options.affinity.bind(client, incarnationOf(backend));
  }

  /** Gives a place back. */
  leave({ slot }: Place): void {
    const active = --this.#options.counters.active[slot]!;
    const index = this.#indexOfSlot[slot]!;
    if (index >= 0) this.#routes.picker.activeChanged(index, active);
  }

  #boundIndex(client: string): number {
    const incarnation = this.#options.affinity.boundTo(client);
    return incarnation === undefined ? -1 : (this.#routes.indexOf.get(incarnation) ?? -1);
  }

  #hasRoom({ slot, backend: { hardLimit } }: Place): boolean {
    return hardLimit === 0 || this.#options.counters.active[slot]! < hardLimit;
  }

  #build(eligible: readonly Backend[]): Routes {
    const { slots, counters, ownRegion } = this.#options;
    const places = eligible.flatMap((backend): Place[] => {
      const slot = slots.slotOf(incarnationOf(backend));
      return slot < 0 ? [] : [Object.freeze({ slot, backend })];
    });
    for (const [index, { slot }] of places.entries()) this.#indexOfSlot[slot] = index;
    const backends = places.map(({ backend }) => backend);
    return {
      places,
      picker: new BackendPicker(backends, ownRegion, (index) => counters.active[places[index]!.slot]!),
      indexOf: new Map(backends.map((backend, index) => [incarnationOf(backend), index])),
    };
  }
}
