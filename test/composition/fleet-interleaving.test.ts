import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Backend, incarnationOf } from '../../src/domain/backend.ts';
import { aBackend } from '../support/backends.ts';
import { aFleet, CIRCUIT, settle } from '../support/fleet.ts';
import type { Place } from '../support/proxy.ts';

/** A few beats of the checker: what a case costs is the time that it simulates. */
const circuit = { ...CIRCUIT, failureThreshold: 2, openMs: 2_000, leaseMs: 1_000 };
const drainTimeoutMs = 3_000;
/** More than a drain, the time of an open circuit, or the probes until a backend is well again. */
const CONVERGENCE_MS = 4_000;

/** Two addresses an id, of which one is its usual one. */
const row = fc
  .record({
    number: fc.constantFrom(1, 2, 3),
    hasMoved: fc.constantFrom(false, false, false, true),
    adminUp: fc.constantFrom(true, true, true, false),
  })
  .map(({ number, hasMoved, adminUp }) =>
    aBackend({ id: `b${number}`, port: hasMoved ? number + 3 : number, adminUp }),
  );
const rowsOf = (minLength: number) => fc.uniqueArray(row, { selector: ({ id }) => id, minLength });

const step = fc.oneof(
  { weight: 2, arbitrary: rowsOf(0).map((rows) => ({ do: 'rows' as const, rows })) },
  { weight: 10, arbitrary: fc.nat(3).map((client) => ({ do: 'enter' as const, client })) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constantFrom<'failure' | 'success' | 'leave'>(
        'failure',
        'failure',
        'success',
        'success',
        'leave',
      ),
      which: fc.nat(),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom(1, 2, 3).map((port) => ({ do: 'sicken' as const, port })) },
  { weight: 4, arbitrary: fc.constantFrom(500, 1_000, 2_000).map((ms) => ({ do: 'wait' as const, ms })) },
);
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

/** A fleet with clients that come, fail and leave; sees at every entry that all authorities agree to it. */
function aStory(first: readonly Backend[]) {
  const test = aFleet({ circuit, drainTimeoutMs });
  let rows = first;
  test.fleet.update(rows);
  const held: Place[] = [];
  /** Without an outcome yet. */
  const silent = new Set<Place>();

  function enter(client: number): void {
    const place = test.enter(`10.0.0.${client}`);
    if (typeof place === 'string') return;
    held.push(place);
    silent.add(place);
    const family = test.fleet.families.get(incarnationOf(place.backend));
    expect(family?.isDraining).toBe(false);
    expect(rows).toContainEqual(place.backend);
    expect(place.backend.adminUp).toBe(true);
    expect(family?.health?.verdict).not.toBe('unhealthy');
    expect(family?.circuitState).not.toBe('open');
    const trials = held.filter(
      ({ slot, permit }) => slot === place.slot && permit !== undefined && permit === place.permit,
    );
    expect(trials.length).toBeLessThanOrEqual(circuit.successThreshold);
  }

  function leave(place: Place): void {
    silent.delete(place);
    held.splice(held.indexOf(place), 1);
    test.router.leave(place);
  }

  async function end(how: 'failure' | 'success' | 'leave', which: number): Promise<void> {
    const places = how === 'leave' ? held : [...silent];
    const place = places[which % Math.max(1, places.length)];
    if (place === undefined) return;
    if (how !== 'leave') await test.report(place, how);
    silent.delete(place);
    if (how !== 'success') leave(place);
  }

  async function take(one: Step): Promise<void> {
    switch (one.do) {
      case 'rows':
        rows = one.rows;
        return test.fleet.update(rows);
      case 'enter':
        return enter(one.client);
      case 'sicken':
        if (!test.sick.delete(one.port)) test.sick.add(one.port);
        return undefined;
      case 'wait':
        return test.advance(one.ms);
      default:
        return end(one.do, one.which);
    }
  }

  return { test, take, rows: () => rows, leaveAll: () => [...held].forEach(leave) };
}

describe('a fleet under any interleaving', () => {
  it('lets in only what every authority lets in, holds the permits, and converges', async () => {
    expect.hasAssertions();
    const steps = fc.array(step, { maxLength: 50, size: 'large' });
    await fc.assert(
      fc.asyncProperty(rowsOf(1), steps, async (first, list) => {
        const { test, take, rows, leaveAll } = aStory(first);
        for (const one of list) {
          await take(one);
          await settle();
        }
        leaveAll();
        test.sick.clear();
        await test.advance(CONVERGENCE_MS);
        const wanted = rows().filter(({ adminUp }) => adminUp);
        expect(test.eligibleIds()).toEqual(wanted.map(({ id }) => id).toSorted());
        expect([...test.fleet.families.keys()].toSorted()).toEqual(rows().map(incarnationOf).toSorted());
        for (const family of test.fleet.families.values()) expect(family.circuitState).not.toBe('open');
        test.fleet.stop();
      }),
      { numRuns: 1_000 },
    );
  });
});
