import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Backend, incarnationOf } from '../../src/domain/backend.ts';
import { aBackend } from '../support/backends.ts';
import { aRouter, type Place } from '../support/proxy.ts';

const idOf = (entered: Place | string): string =>
  typeof entered === 'string' ? entered : entered.backend.id;

describe('Router', () => {
  it('tells the reasons for a refusal apart', () => {
    const { router, apply } = aRouter();
    expect(router.enter('10.0.0.1', [])).toBe('no_backend');
    apply([aBackend({ id: 'a', hardLimit: 1 })]);
    const place = router.enter('10.0.0.1', []) as Place;
    expect(router.enter('10.0.0.1', [])).toBe('all_full');
    router.leave(place);
    expect(router.enter('10.0.0.1', [place])).toBe('connect_failed');
  });

  it('keeps the count of a backend over changes of its weight and limits', () => {
    const { router, apply, counters } = aRouter();
    apply([aBackend({ id: 'a', hardLimit: 2 })]);
    const place = router.enter('10.0.0.1', []) as Place;
    apply([aBackend({ id: 'a', hardLimit: 1, weight: 9 })]);
    expect(router.enter('10.0.0.2', [])).toBe('all_full');
    router.leave(place);
    expect(counters.active[place.slot]).toBe(0);
    expect(idOf(router.enter('10.0.0.2', []))).toBe('a');
  });

  it('counts the same id at a new address as another backend', () => {
    const { router, apply } = aRouter();
    apply([aBackend({ id: 'a', port: 1, hardLimit: 1 })]);
    expect(idOf(router.enter('10.0.0.1', []))).toBe('a');
    apply([aBackend({ id: 'a', port: 2, hardLimit: 1 })]);
    expect((router.enter('10.0.0.1', []) as Place).backend.port).toBe(2);
  });

  describe('with several apps', () => {
    const [web, db] = [
      { number: 1, name: 'web' },
      { number: 7, name: 'db' },
    ];

    it('gives the reasons of an app to its clients', () => {
      const { router, apply } = aRouter({ random: () => 0 });
      apply([
        aBackend({ id: 'a', app: 'web', hardLimit: 1 }),
        aBackend({ id: 'b', app: 'web', port: 2, hardLimit: 1 }),
      ]);
      const place = router.enter('10.0.0.1', [], web) as Place;
      const other = router.enter('10.0.0.1', [], web) as Place;
      expect(router.enter('10.0.0.1', [], db)).toBe('no_backend');
      expect(router.enter('10.0.0.1', [place], web)).toBe('all_full');
      expect(router.enter('10.0.0.1', [place, other], web)).toBe('connect_failed');
      apply([aBackend({ id: 'a', app: 'db', hardLimit: 2 }), aBackend({ id: 'b', app: 'web', port: 2 })]);
      expect(idOf(router.enter('10.0.0.1', [], db))).toBe('a');
      expect(router.enter('10.0.0.1', [], db)).toBe('all_full');
      // What has failed it is another app's by now.
      expect(idOf(router.enter('10.0.0.1', [place], web))).toBe('b');
    });

    it('binds a client once for each, and never to a backend that is another one’s by now', () => {
      const { router, apply } = aRouter({ bindingTtlMs: 1_000, random: () => 0 });
      const rows = [
        aBackend({ id: 'a', app: 'web' }),
        aBackend({ id: 'b', app: 'db', port: 2 }),
        aBackend({ id: 'c', app: 'db', port: 3, weight: 2 }),
      ];
      apply(rows);
      for (const app of [web, db, undefined]) {
        const place = router.enter('10.0.0.1', [], app) as Place;
        router.connected('10.0.0.1', place, app);
        router.leave(place);
      }
      const held = ['10.0.0.2', '10.0.0.3'].map((client) => router.enter(client, [], db) as Place);
      expect(idOf(router.enter('10.0.0.1', [], web))).toBe('a');
      for (const place of held) router.leave(place);
      apply(rows.map((row) => (row.id === 'a' ? { ...row, app: 'db' } : { ...row, app: 'web' })));
      expect(['b', 'c']).toContain(idOf(router.enter('10.0.0.1', [], web)));
      expect(idOf(router.enter('10.0.0.1', [], db))).toBe('a');
    });

    const row = fc.record({
      app: fc.constantFrom('web', 'db', 'mail'),
      country: fc.constantFrom('BR', 'US', 'AR'),
      region: fc.constantFrom('sa', 'us'),
      weight: fc.integer({ min: 1, max: 3 }),
      softLimit: fc.nat(2),
      hardLimit: fc.nat(3),
    });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const geo = { '10.0.0.1': { country: 'BR', region: 'sa' }, '10.0.0.2': { country: 'US', region: 'us' } };
    const visit = fc.record({
      client: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'),
      app: fc.constantFrom(undefined, web, db),
      random,
      leaves: fc.boolean(),
    });

    it('picks among the backends of an app as if there were no others', () => {
      fc.assert(
        fc.property(fc.array(row, { maxLength: 8 }), fc.array(visit, { maxLength: 20 }), (rows, visits) => {
          const backends = rows.map((fields, index) =>
            aBackend({ ...fields, id: `b${index}`, port: index + 1 }),
          );
          let chance = 0;
          const all = aRouter({ geo, random: () => chance, maxSlots: 16 });
          all.apply(backends);
          const places: Place[] = [];
          for (const { client, app, random: next, leaves } of visits) {
            chance = next;
            const alone = aRouter({ geo, random: () => chance, maxSlots: 16 });
            const own = backends.filter(({ app: name }) => app === undefined || name === app.name);
            alone.apply(own);
            for (const { backend } of places)
              if (own.some(({ id }) => id === backend.id))
                alone.state.occupancy.tryEnter(alone.slots.of(incarnationOf(backend))!.slot, 0);
            const [entered, expected] = [all.router.enter(client, [], app), alone.router.enter(client, [])];
            expect(idOf(entered)).toBe(idOf(expected));
            if (typeof entered === 'string') continue;
            if (leaves) all.router.leave(entered);
            else places.push(entered);
          }
        }),
        { numRuns: 200 },
      );
    });
  });

  describe('affinity', () => {
    const both = [aBackend({ id: 'a' }), aBackend({ id: 'b', port: 2 })];

    it('binds only after a connect has succeeded', () => {
      const { router, apply } = aRouter({ bindingTtlMs: 1_000, random: () => 0 });
      apply(both);
      const failed = router.enter('10.0.0.1', []) as Place;
      const second = router.enter('10.0.0.1', [failed]) as Place;
      router.leave(failed);
      router.connected('10.0.0.1', second);
      router.leave(second);
      expect(idOf(router.enter('10.0.0.1', []))).toBe('b');
      expect(idOf(router.enter('10.0.0.2', []))).toBe('a');
    });

    it.each([
      ['is out', [aBackend({ id: 'a' }), aBackend({ id: 'b', port: 2, adminUp: false })]],
      ['is drained by weight', [aBackend({ id: 'a' }), aBackend({ id: 'b', port: 2, weight: 0 })]],
      ['is gone', [aBackend({ id: 'a' })]],
      ['has moved', [aBackend({ id: 'a' }), aBackend({ id: 'b', port: 3, softLimit: 0 })]],
    ])('never brings a client to its backend when that %s', (_, changed: readonly Backend[]) => {
      const { router, apply } = aRouter({ bindingTtlMs: 1_000, random: () => 0 });
      apply([both[1]!]);
      const place = router.enter('10.0.0.1', []) as Place;
      router.connected('10.0.0.1', place);
      router.leave(place);
      apply(changed);
      expect(idOf(router.enter('10.0.0.1', []))).toBe('a');
    });

    it('never goes past the hard limit', () => {
      const { router, apply } = aRouter({ bindingTtlMs: 1_000 });
      apply([aBackend({ id: 'a', hardLimit: 1 })]);
      router.connected('10.0.0.1', router.enter('10.0.0.1', []) as Place);
      apply([aBackend({ id: 'a', hardLimit: 1 }), aBackend({ id: 'b', port: 2 })]);
      expect(idOf(router.enter('10.0.0.1', []))).toBe('b');
    });

    it('ends with its time to live, which every connection renews', () => {
      let nowMs = 0;
      const { router, apply, affinity } = aRouter({ bindingTtlMs: 1_000, now: () => nowMs, random: () => 0 });
      apply([both[1]!]);
      router.connected('10.0.0.1', router.enter('10.0.0.1', []) as Place);
      apply(both.map((backend) => ({ ...backend, softLimit: 1_000_000 })));
      nowMs = 999;
      const again = router.enter('10.0.0.1', []) as Place;
      expect(again.backend.id).toBe('b');
      router.connected('10.0.0.1', again);
      nowMs = 1_998;
      expect(affinity.collectGarbage()).toBe(0);
      nowMs = 1_999;
      expect(idOf(router.enter('10.0.0.1', []))).toBe('a');
      expect(affinity.collectGarbage()).toBe(1);
      expect(affinity.size).toBe(0);
    });
  });

  it('holds every limit and loses no place under any interleaving of clients and changes', () => {
    const shape = fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      port: fc.constantFrom(1, 2),
      hardLimit: fc.integer({ min: 0, max: 3 }),
      weight: fc.integer({ min: 0, max: 2 }),
    });
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('enter' as const), client: fc.nat(5) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat() }) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('apply' as const),
          backends: fc.uniqueArray(shape, { selector: ({ id }) => id, maxLength: 4 }),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { router, apply, counters } = aRouter({
          bindingTtlMs: 1_000,
          now: () => 0,
          random: () => 0.5,
          maxSlots: 64,
        });
        const held: Place[] = [];
        let backends: readonly Backend[] = [];
        for (const action of steps) {
          if (action.do === 'apply') {
            backends = action.backends.map((fields) => aBackend(fields));
            apply(backends);
          } else if (action.do === 'leave') {
            const [place] = held.splice(action.which % Math.max(1, held.length), 1);
            if (place !== undefined) router.leave(place);
          } else {
            const client = `10.0.0.${action.client}`;
            const entered = router.enter(client, []);
            if (typeof entered === 'string') continue;
            router.connected(client, entered);
            held.push(entered);
            const { id, port, hardLimit, weight } = entered.backend;
            expect(backends.some((backend) => backend.id === id && backend.port === port)).toBe(true);
            expect(weight).toBeGreaterThan(0);
            const same = held.filter(({ backend }) => backend.id === id && backend.port === port).length;
            if (hardLimit > 0) expect(same).toBeLessThanOrEqual(hardLimit);
          }
        }
        for (const { slot } of held) {
          expect(counters.active[slot]).toBe(held.filter((place) => place.slot === slot).length);
        }
        for (const place of held) router.leave(place);
        expect(counters.active.every((active) => active === 0)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});
