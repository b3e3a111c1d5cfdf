import type { Backend } from '../../src/domain/backend.ts';
import type { EligibleSet } from '../../src/domain/eligibility.ts';
import type { ClientGeo } from '../../src/domain/geo.ts';
import type { RefusalReason } from '../../src/domain/outcome.ts';
import type { Logger, TrafficSource } from '../../src/domain/ports.ts';
import { Affinity } from '../../src/proxy/affinity.ts';
import { type App, EVERY_APP } from '../../src/proxy/apps.ts';
import type { Counters } from '../../src/proxy/counters.ts';
import { Directory } from '../../src/proxy/directory.ts';
import { NO_PERMIT } from '../../src/proxy/gates.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';
import type { RouteTable } from '../../src/proxy/routes.ts';
import { refusalOf, Router } from '../../src/proxy/router.ts';
import { MAX_SLOTS } from '../../src/proxy/shared-columns.ts';
import { newSharedState, newsOf, type SharedState } from '../../src/proxy/shared-state.ts';
import type { Occupant, SlotTable } from '../../src/proxy/slot-table.ts';
import { createTrafficSource } from '../../src/proxy/traffic.ts';
import { aSet } from './backends.ts';

export const silentLogger: Logger = { error() {}, warn() {}, info() {}, debug() {} };

const MAX_BINDINGS = 1_000;

/** Whom clients come for who are given any backend. */
const EVERYBODY: App = { number: EVERY_APP, name: undefined };

export interface TestRouterOptions {
  readonly bindingTtlMs?: number;
  readonly now?: () => number;
  readonly random?: () => number;
  readonly geo?: Readonly<Record<string, ClientGeo>>;
  readonly maxSlots?: number;
}

/** A place at a backend, as an engine keeps it. */
export interface Place extends Occupant {
  readonly epoch: number;
  permit: number | undefined;
}

/** The router of one thread with clients as text and places as objects, used as an engine uses it. */
export class HeldRouter {
  readonly router: Router;
  readonly affinity: Affinity;
  readonly #slots: SlotTable;

  constructor(state: SharedState, slots: SlotTable, thread: number, options: TestRouterOptions) {
    const { bindingTtlMs = 0, now = () => performance.now(), random = Math.random, geo = {} } = options;
    this.#slots = slots;
    this.affinity = new Affinity({
      binding: { ttlMs: bindingTtlMs },
      now,
      memory: state.memory.affinity,
      holder: thread + 1,
    });
    this.router = new Router({
      ownRegion: 'sa',
      geo: { isEmpty: false, locate: (address) => geo[address] },
      affinity: this.affinity,
      occupancy: state.occupancy,
      gates: state.gates,
      counters: state.counters[thread]!,
      news: newsOf(state.memory, thread),
      random,
    });
  }

  apply(table: RouteTable): void {
    this.router.apply(table);
  }

  enter(client: string, tried: readonly Place[], app: App = EVERYBODY): Place | RefusalReason {
    this.router.offer(app);
    const slot = this.router.enter(
      IpAddress.of(client),
      tried.map((place) => place.slot),
      app.number,
    );
    if (slot < 0) return refusalOf(slot);
    const { epoch, permit } = this.router;
    return { ...this.#slots.at(slot)!, epoch, permit: permit === NO_PERMIT ? undefined : permit };
  }

  routesTo(incarnation: string): boolean {
    const occupant = this.#slots.of(incarnation);
    return occupant !== undefined && this.router.routesTo(occupant.slot);
  }

  connected(client: string, place: Place, { number }: App = EVERYBODY): void {
    this.router.connected(IpAddress.of(client), place.tenancy, number);
  }

  settle(place: Place, result: 'success' | 'failure' | 'none'): void {
    this.router.settle(place.slot, place.permit ?? NO_PERMIT, result);
    place.permit = undefined;
  }

  leave(place: Place): void {
    this.settle(place, 'none');
    this.router.leave(place.slot);
  }
}

export interface TestThreads {
  readonly routers: readonly HeldRouter[];
  readonly state: SharedState;
  readonly directory: Directory;
  readonly slots: SlotTable;
  readonly traffic: TrafficSource;
  readonly apply: (backends: readonly Backend[]) => void;
  /** Returns the ids of backends that found no slot. */
  readonly applySet: (set: EligibleSet) => readonly string[];
}

/** The routers of several threads over one shared state, in region `sa`, affinity off unless said otherwise. */
export function aRouterOfEachThread(threads: number, options: TestRouterOptions = {}): TestThreads {
  const { maxSlots = MAX_SLOTS } = options;
  const state = newSharedState(threads, { maxBindings: MAX_BINDINGS, maxSlots });
  const directory = new Directory(state, silentLogger);
  const { slots } = directory;
  const routers = Array.from(
    { length: threads },
    (_, thread) => new HeldRouter(state, slots, thread, options),
  );
  const { counters, occupancy } = state;
  let version = 0;
  const applySet = (set: EligibleSet): readonly string[] => {
    const table = directory.publish(set);
    for (const router of routers) router.apply(table);
    slots.inForce();
    const wanted = set.eligible.map(({ backend }) => backend.id);
    const routed = new Set(
      Array.from(table.tenancies.subarray(0, table.rows), (t) => slots.holding(t)!.backend.id),
    );
    return wanted.filter((id) => !routed.has(id));
  };
  return {
    routers,
    state,
    directory,
    slots,
    traffic: createTrafficSource({ counters, occupancy, slots }),
    apply: (backends) => void applySet(aSet(backends, ++version)),
    applySet,
  };
}

export interface TestRouter extends Omit<TestThreads, 'routers'> {
  readonly router: HeldRouter;
  readonly counters: Counters;
  readonly affinity: Affinity;
}

export function aRouter(options: TestRouterOptions = {}): TestRouter {
  const { routers, ...parts } = aRouterOfEachThread(1, options);
  const router = routers[0]!;
  return { ...parts, router, counters: parts.state.counters[0]!, affinity: router.affinity };
}
