import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type Backend, incarnationOf } from '../../src/domain/backend.ts';
import type { CircuitGate, EligibleSet } from '../../src/domain/eligibility.ts';
import type { RouteTable } from '../../src/proxy/routes.ts';
import { SHUT } from '../../src/proxy/gates.ts';
import { aBackend, aSet } from '../support/backends.ts';
import { aRouterOfEachThread, type HeldRouter, type Place, type TestThreads } from '../support/proxy.ts';

const THREADS = 3;
const CLIENT = '10.0.0.1';

/** Sets as the main thread makes them, and how far each thread has got with them. */
class Sets {
  readonly #threads: TestThreads;
  readonly #tables: RouteTable[] = [];
  readonly #sets: EligibleSet[] = [];
  readonly #delivered: number[];

  constructor(threads: TestThreads) {
    this.#threads = threads;
    this.#delivered = threads.routers.map(() => 0);
  }

  publish(eligible: readonly { readonly backend: Backend; readonly gate: CircuitGate }[]): void {
    const set = { version: this.#sets.length + 1, eligible, excluded: [], isPanic: false };
    this.#sets.push(set);
    this.#tables.push(this.#threads.directory.publish(set));
  }

  deliver(thread: number): void {
    const table = this.#tables[this.#delivered[thread]!];
    if (table === undefined) return;
    this.#delivered[thread]!++;
    this.#threads.routers[thread]!.apply(table);
    if (this.#delivered.every((count) => count === this.#sets.length)) this.#threads.slots.inForce();
  }

  isNewestAt(thread: number): boolean {
    return this.#delivered[thread] === this.#sets.length;
  }

  at(thread: number): EligibleSet['eligible'] {
    return this.#sets[this.#delivered[thread]! - 1]?.eligible ?? [];
  }

  get newest(): EligibleSet['eligible'] {
    return this.#sets.at(-1)?.eligible ?? [];
  }
}

interface Held {
  readonly thread: number;
  readonly place: Place;
  readonly grant: number;
  hasPermit: boolean;
}

/** What must be true of any number of threads, told by who holds what. */
class Model {
  readonly held: Held[] = [];
  /** Permits that a failure has used up, by incarnation and grant. */
  readonly #void = new Map<string, number>();

  heldAt(incarnation: string): number {
    return this.held.filter(({ place }) => place.incarnation === incarnation).length;
  }

  permitsOut(incarnation: string, grant: number): number {
    const out = this.held.filter(
      (one) => one.hasPermit && one.grant === grant && one.place.incarnation === incarnation,
    );
    return out.length + (this.#void.get(`${incarnation} ${grant}`) ?? 0);
  }

  useUp({ place, grant }: Held): void {
    const key = `${place.incarnation} ${grant}`;
    this.#void.set(key, (this.#void.get(key) ?? 0) + 1);
  }

  hasRoom({ backend, gate }: EligibleSet['eligible'][number]): boolean {
    const incarnation = incarnationOf(backend);
    const isFull = backend.hardLimit > 0 && this.heldAt(incarnation) >= backend.hardLimit;
    return !isFull && (gate.permits === undefined || this.permitsOut(incarnation, gate.grant) < gate.permits);
  }
}

const rows = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    port: fc.constantFrom(1, 2),
    hardLimit: fc.integer({ min: 0, max: 3 }),
    permits: fc.constantFrom(undefined, undefined, 1, 2, 3),
    isNewGrant: fc.boolean(),
  }),
  { selector: ({ id }) => id, maxLength: 4 },
);
const thread = fc.nat(THREADS - 1);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('enter' as const), thread, client: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: fc.nat(),
      result: fc.constantFrom('success' as const, 'failure' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('publish' as const), rows }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('deliver' as const), to: fc.option(thread, { nil: undefined }) }),
  },
);

describe('the routers of several threads', () => {
  it('hold every limit and permit, lose none, and offer what is free at once, whatever happens where', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        const threads = aRouterOfEachThread(THREADS, {
          bindingTtlMs: 1_000,
          now: () => 0,
          random: () => 0.5,
          maxSlots: 64,
        });
        const { routers, state, slots } = threads;
        const sets = new Sets(threads);
        const model = new Model();
        const gates = new Map<string, CircuitGate>();
        const nextGate = (key: string, permits: number | undefined, isNewGrant: boolean): CircuitGate => {
          const last = gates.get(key) ?? { epoch: 0, grant: 0, permits: undefined };
          const isKept = !isNewGrant && last.permits === permits;
          const gate = isKept ? last : { epoch: last.epoch + 1, grant: last.grant + 1, permits };
          gates.set(key, gate);
          return gate;
        };

        for (const action of steps) {
          switch (action.do) {
            case 'publish':
              sets.publish(
                action.rows.map(({ permits, isNewGrant, ...fields }) => {
                  const backend = aBackend(fields);
                  return { backend, gate: nextGate(incarnationOf(backend), permits, isNewGrant) };
                }),
              );
              break;
            case 'deliver':
              for (const to of action.to === undefined ? routers.keys() : [action.to]) sets.deliver(to);
              break;
            case 'leave': {
              const [one] = model.held.splice(action.which % Math.max(1, model.held.length), 1);
              if (one !== undefined) routers[one.thread]!.leave(one.place);
              break;
            }
            case 'settle': {
              const one = model.held[action.which % Math.max(1, model.held.length)];
              if (one === undefined) break;
              if (action.result === 'failure' && one.hasPermit) model.useUp(one);
              one.hasPermit = false;
              routers[one.thread]!.settle(one.place, action.result);
              break;
            }
            case 'enter': {
              const known = sets.at(action.thread);
              const roomy = known.filter((row) => model.hasRoom(row));
              const entered = routers[action.thread]!.enter(`10.0.0.${action.client}`, []);
              if (typeof entered === 'string') {
                if (sets.isNewestAt(action.thread)) expect(roomy).toEqual([]);
                break;
              }
              routers[action.thread]!.connected(`10.0.0.${action.client}`, entered);
              const { incarnation, permit, epoch } = entered;
              const row = known.find(({ backend }) => incarnationOf(backend) === incarnation)!;
              // Gates are in force before tables are.
              const gate = gates.get(incarnation)!;
              model.held.push({
                thread: action.thread,
                place: entered,
                grant: gate.grant,
                hasPermit: permit !== undefined,
              });
              if (row.backend.hardLimit > 0)
                expect(model.heldAt(incarnation)).toBeLessThanOrEqual(row.backend.hardLimit);
              const inForce = sets.newest.some(({ backend }) => incarnationOf(backend) === incarnation);
              if (!inForce) break;
              expect(epoch).toBe(gate.epoch);
              expect(permit !== undefined).toBe(gate.permits !== undefined);
              if (gate.permits !== undefined)
                expect(model.permitsOut(incarnation, gate.grant)).toBeLessThanOrEqual(gate.permits);
              break;
            }
            default:
              action satisfies never;
          }
          for (const { place } of model.held)
            expect(state.occupancy.of(place.slot)).toBe(
              model.held.filter((one) => one.place.slot === place.slot).length,
            );
        }

        for (const one of model.held.splice(0)) routers[one.thread]!.leave(one.place);
        expect(state.occupancy.memory.every((places) => places === 0)).toBe(true);
        expect(state.counters.every(({ active }) => active.every((places) => places === 0))).toBe(true);
        for (const [incarnation, gate] of gates) {
          const slot = slots.of(incarnation)?.slot;
          if (slot === undefined || gate.permits === undefined) continue;
          if (!sets.newest.some(({ backend }) => incarnationOf(backend) === incarnation)) continue;
          const left = Math.max(0, gate.permits - model.permitsOut(incarnation, gate.grant));
          for (let count = 0; count < left; count++) expect(state.gates.take(slot)).toBeGreaterThanOrEqual(0);
          expect(state.gates.take(slot)).toBe(SHUT);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('offer what another thread has freed, also after more news than a thread keeps', () => {
    const { routers, apply } = aRouterOfEachThread(THREADS);
    apply([
      aBackend({ id: 'full', hardLimit: 1, softLimit: 1 }),
      aBackend({ id: 'busy', port: 2, hardLimit: 2 }),
    ]);
    const places = [CLIENT, CLIENT, CLIENT].map((client) => routers[0]!.enter(client, []) as Place);
    for (const router of routers) expect(router.enter(CLIENT, [])).toBe('all_full');
    const full = places.find(({ backend }) => backend.id === 'full')!;
    const busy = places.find(({ backend }) => backend.id === 'busy')!;
    routers[0]!.leave(full);
    // Enough to overwrite the one entry that tells of it.
    routers[0]!.leave(busy);
    for (let round = 0; round < 10_000; round++)
      routers[0]!.leave(routers[0]!.enter(CLIENT, [full]) as Place);
    for (const router of routers.slice(1)) {
      const entered = [router.enter(CLIENT, []) as Place, router.enter(CLIENT, []) as Place];
      expect(entered.map(({ backend }) => backend.id).toSorted()).toEqual(['busy', 'full']);
      for (const place of entered) router.leave(place);
    }
  });

  it('hear of a place that was held for a moment, by a client who found no permit and went elsewhere', () => {
    const { routers, state, slots, applySet } = aRouterOfEachThread(2, {
      bindingTtlMs: 1_000,
      random: () => 0,
    });
    const gate = { epoch: 1, grant: 1, permits: 1 };
    const backends = ['a', 'b'].map((id) => aBackend({ id, hardLimit: 1 }));
    const eligible = backends.map((backend) => ({ backend, gate }));
    applySet({ version: 1, eligible, excluded: [], isPanic: false });
    const [one, other] = routers as [HeldRouter, HeldRouter];
    const isBound = { ...slots.of(incarnationOf(backends[1]!))!, epoch: 1, permit: undefined };
    one.connected(CLIENT, isBound);
    // While the first thread holds a place and finds no permit, the second one looks for a place and finds none.
    vi.spyOn(state.gates, 'take').mockImplementationOnce(() => {
      const elsewhere = other.enter(CLIENT, []) as Place;
      expect(elsewhere.backend.id).toBe('a');
      other.leave(elsewhere);
      return SHUT;
    });
    expect(one.enter(CLIENT, [])).toMatchObject({ backend: { id: 'a' } });
    expect(other.enter('10.0.0.2', [])).toMatchObject({ backend: { id: 'b' } });
  });

  it('bring a client to one backend, whichever of them takes it, as long as its binding lasts', () => {
    let nowMs = 0;
    const { routers, apply } = aRouterOfEachThread(THREADS, {
      bindingTtlMs: 1_000,
      now: () => nowMs,
      random: () => 0,
    });
    apply([aBackend({ id: 'a' }), aBackend({ id: 'b', port: 2 })]);
    const blocker = routers[0]!.enter('10.0.0.9', []) as Place;
    const first = routers[0]!.enter(CLIENT, []) as Place;
    expect([blocker.backend.id, first.backend.id]).toEqual(['a', 'b']);
    routers[0]!.connected(CLIENT, first);
    routers[0]!.leave(blocker);
    for (const router of routers) {
      nowMs += 999;
      const again = router.enter(CLIENT, []) as Place;
      expect(again.backend.id).toBe('b');
      router.connected(CLIENT, again);
      router.leave(again);
    }
    nowMs += 1_000;
    for (const router of routers) {
      const place = router.enter(CLIENT, []) as Place;
      expect(place.backend.id).toBe('a');
      router.leave(place);
    }
  });
});

describe('a tenancy', () => {
  it('stays above zero, and apart from the one before, however often its slot changes hands', () => {
    const { applySet, slots, directory } = aRouterOfEachThread(1, { maxSlots: 1 });
    const ids = ['a', 'b'];
    const seen: number[] = [];
    for (let version = 1; version <= 70_000; version++) {
      const id = ids[version % 2]!;
      directory.publish(aSet([], version));
      slots.inForce();
      if (version % 1_000 < 10) applySet(aSet([aBackend({ id })], version));
      else slots.assign(aSet([aBackend({ id })], version), () => {});
      slots.inForce();
      const { tenancy } = slots.of(`${id}@127.0.0.1:9000`)!;
      if (tenancy <= 0 || tenancy === seen.at(-1)) seen.push(tenancy);
      seen[0] = tenancy;
    }
    expect(seen).toHaveLength(1);
  });
});
