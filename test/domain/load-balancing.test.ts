import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../src/domain/backend.ts';
import { geoTierOf, type ClientGeo } from '../../src/domain/geo.ts';
import { BackendPicker, candidatesOf, loadScore } from '../../src/domain/load-balancing.ts';
import { aBackend } from '../support/backends.ts';

const COUNTRIES = ['BR', 'AR', 'US', 'DE'];
const REGIONS = ['sa', 'us', 'eu'];

const backendArbitrary = fc.record({
  country: fc.constantFrom(...COUNTRIES),
  region: fc.constantFrom(...REGIONS),
  weight: fc.integer({ min: 0, max: 5 }),
  softLimit: fc.integer({ min: 0, max: 6 }),
  hardLimit: fc.integer({ min: 0, max: 8 }),
});
const clientArbitrary: fc.Arbitrary<ClientGeo | undefined> = fc.option(
  fc.record({
    country: fc.constantFrom(...COUNTRIES),
    region: fc.option(fc.constantFrom(...REGIONS), { nil: undefined }),
  }),
  { nil: undefined },
);

/** A picker that follows the counts in `active`. */
function aPicker(backends: readonly Backend[], active: number[], ownRegion = 'sa') {
  const scoreOf = (index: number): number => loadScore(active[index]!, backends[index]!);
  const picker = new BackendPicker(candidatesOf(backends), ownRegion, scoreOf);
  const change = (index: number, by: 1 | -1): void => {
    active[index]! += by;
    picker.setScore(index, scoreOf(index));
  };
  return { picker, change };
}

/** Every backend that shares the best place, by going through all of them: tier, then soft limit, then load. */
function bestByFormula(
  backends: readonly Backend[],
  active: readonly number[],
  client: ClientGeo | undefined,
  ownRegion: string,
  tried: readonly number[],
): readonly number[] {
  let best: number[] = [];
  let bestKey: readonly [number, number, number] | undefined;
  for (const [index, backend] of backends.entries()) {
    const count = active[index]!;
    if (tried.includes(index) || backend.weight === 0) continue;
    if (backend.hardLimit > 0 && count >= backend.hardLimit) continue;
    const soft = backend.softLimit === 0 ? 1 : backend.softLimit;
    const key = [
      geoTierOf(backend, client, ownRegion),
      count < soft ? 0 : 1,
      count / (soft * backend.weight),
    ] as const;
    const difference =
      bestKey === undefined ? -1 : key[0] - bestKey[0] || key[1] - bestKey[1] || key[2] - bestKey[2];
    if (difference < 0) [best, bestKey] = [[index], key];
    else if (difference === 0) best.push(index);
  }
  return best;
}

describe('BackendPicker', () => {
  it('agrees with the plain formula after any history of connections', () => {
    const scenario = fc.record({
      backends: fc.array(backendArbitrary, { minLength: 0, maxLength: 20 }),
      ownRegion: fc.constantFrom(...REGIONS),
      steps: fc.array(
        fc.record({
          client: clientArbitrary,
          random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
          triedSeeds: fc.array(fc.nat(), { maxLength: 3 }),
          endOne: fc.boolean(),
          which: fc.nat(),
        }),
        { maxLength: 60 },
      ),
    });
    fc.assert(
      fc.property(scenario, ({ backends: shapes, ownRegion, steps }) => {
        const backends = shapes.map((shape, index) => aBackend({ id: `b${index}`, ...shape }));
        const active = backends.map(() => 0);
        const { picker, change } = aPicker(backends, active, ownRegion);
        for (const { client, random, triedSeeds, endOne, which } of steps) {
          const tried =
            backends.length === 0 ? [] : [...new Set(triedSeeds.map((seed) => seed % backends.length))];
          const expected = bestByFormula(backends, active, client, ownRegion, tried);
          const picked = picker.pick(client, tried, random);
          if (expected.length === 0) expect(picked).toBe(-1);
          else expect(expected).toContain(picked);
          if (picked >= 0) change(picked, 1);
          const busy = active.flatMap((count, index) => (count > 0 ? [index] : []));
          if (endOne && busy.length > 0) {
            const ended = busy[which % busy.length]!;
            change(ended, -1);
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("is the seed's formula, to the letter, while every backend is below its soft limit", () => {
    const scenario = fc.record({
      shapes: fc.array(
        fc.record({
          country: fc.constantFrom(...COUNTRIES),
          region: fc.constantFrom(...REGIONS),
          weight: fc.integer({ min: 1, max: 5 }),
          softLimit: fc.integer({ min: 1, max: 100 }),
          load: fc.nat(99),
        }),
        { minLength: 1, maxLength: 20 },
      ),
      client: clientArbitrary,
    });
    fc.assert(
      fc.property(scenario, ({ shapes, client }) => {
        const backends = shapes.map((shape, index) => aBackend({ id: `b${index}`, ...shape, hardLimit: 0 }));
        const active = shapes.map(({ load, softLimit }) => Math.min(load, softLimit - 1));
        const score = (index: number): number => {
          const { softLimit, weight } = backends[index]!;
          return geoTierOf(backends[index]!, client, 'sa') * 100 + active[index]! / softLimit / weight;
        };
        const picked = aPicker(backends, active).picker.pick(client, [], 0.5);
        const lowest = Math.min(...backends.map((_, index) => score(index)));
        expect(score(picked)).toBeCloseTo(lowest, 9);
      }),
      { numRuns: 1_000 },
    );
  });

  it('shares ties in proportion to weight', () => {
    const backends = [1, 2, 5].map((weight) => aBackend({ id: `w${weight}`, weight }));
    const { picker } = aPicker(backends, [0, 0, 0]);
    const counts = [0, 0, 0];
    for (let step = 0; step < 8_000; step++) counts[picker.pick(undefined, [], step / 8_000)]!++;
    expect(counts).toEqual([1_000, 2_000, 5_000]);
  });

  it('fills the nearer tier to its hard limits before it spills over, over-soft backends last', () => {
    const near = [
      aBackend({ id: 'near-a', country: 'BR', softLimit: 1, hardLimit: 3 }),
      aBackend({ id: 'near-b', country: 'BR', softLimit: 4, hardLimit: 4, weight: 1 }),
    ];
    const backends = [...near, aBackend({ id: 'far', country: 'US', region: 'us' })];
    const active = [0, 0, 0];
    const { picker, change } = aPicker(backends, active);
    const order: string[] = [];
    for (let step = 0; step < 8; step++) {
      const picked = picker.pick({ country: 'BR', region: 'sa' }, [], 0);
      change(picked, 1);
      order.push(backends[picked]!.id);
    }
    expect(order.slice(0, 5).filter((id) => id === 'near-a')).toHaveLength(1);
    expect(order.slice(0, 5).filter((id) => id === 'near-b')).toHaveLength(4);
    expect(order.slice(5)).toEqual(['near-a', 'near-a', 'far']);
  });
});

describe('loadScore', () => {
  it('ties equal loads exactly, whatever the limits and weights they come from', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 50 }), (soft, factor) => {
        const one = loadScore(0.5 * soft, { weight: 1, softLimit: soft, hardLimit: 0 });
        const many = loadScore(0.5 * soft * factor, { weight: 1, softLimit: soft * factor, hardLimit: 0 });
        expect(many).toBe(one);
      }),
    );
  });

  it('is infinite at the hard limit and for weight 0; a soft limit of 0 counts as 1', () => {
    expect(loadScore(3, { weight: 1, softLimit: 1, hardLimit: 3 })).toBe(Infinity);
    expect(loadScore(0, { weight: 0, softLimit: 1, hardLimit: 3 })).toBe(Infinity);
    expect(loadScore(0, { weight: 1, softLimit: 0, hardLimit: 0 })).toBe(0);
  });
});
