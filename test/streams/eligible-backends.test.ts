import * as fc from 'fast-check';
import { BehaviorSubject, type Observable, Subject } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  deriveEligibleSet,
  type EligibilityPolicy,
  type EligibleSet,
  type Member,
} from '../../src/domain/eligibility.ts';
import { eligibleBackends$, type MemberChange } from '../../src/streams/eligible-backends.ts';
import { aMember } from '../support/backends.ts';

const POLICY = { excludesUnchecked: false, panicThresholdPercent: 0 };
const GAP_MS = 10;

const change = (id: string, weight = 1): MemberChange => ({
  incarnation: id,
  member: aMember({ id, weight }),
});
const weights = (set: EligibleSet | undefined): Readonly<Record<string, number>> =>
  Object.fromEntries(set?.eligible.map(({ backend }) => [backend.id, backend.weight]) ?? []);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watch(policy: Observable<EligibilityPolicy> | EligibilityPolicy = POLICY) {
  const changes$ = new Subject<readonly MemberChange[]>();
  const sets: EligibleSet[] = [];
  const sets$ = eligibleBackends$(changes$, { policy, gapMs: () => GAP_MS });
  const subscription = sets$.subscribe((set) => sets.push(set));
  return { changes$, sets, sets$, subscription };
}

describe('eligibleBackends$', () => {
  it('begins with the empty set, and answers a change after a quiet time at once', () => {
    const { changes$, sets } = watch();
    expect(sets.map(({ version }) => version)).toEqual([0]);
    changes$.next([change('a')]);
    expect(weights(sets[1])).toEqual({ a: 1 });
  });

  it('makes few sets of a burst of 10,000 changes, and the last one holds the last of each', () => {
    const { changes$, sets } = watch();
    for (let round = 1; round <= 10_000; round++) changes$.next([change(`b${round % 7}`, round)]);
    expect(sets).toHaveLength(2);
    vi.advanceTimersByTime(GAP_MS);
    expect(sets).toHaveLength(3);
    expect(weights(sets[2])).toEqual(
      Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`b${i}`, 10_000 - ((10_000 - i) % 7)])),
    );
    vi.advanceTimersByTime(100 * GAP_MS);
    expect(sets).toHaveLength(3);
  });

  it('keeps the gap while changes go on, and counts versions without a hole', () => {
    const { changes$, sets } = watch();
    for (let ms = 0; ms < 100; ms++) {
      changes$.next([change('a', ms + 1)]);
      vi.advanceTimersByTime(1);
    }
    vi.advanceTimersByTime(GAP_MS);
    expect(sets.length).toBeLessThanOrEqual(2 + 100 / GAP_MS);
    expect(sets.map(({ version }) => version)).toEqual(sets.map((_, index) => index));
    expect(weights(sets.at(-1))).toEqual({ a: 100 });
  });

  it('forgets members that are gone, and shares nothing between subscribers', () => {
    const { changes$, sets, sets$ } = watch();
    changes$.next([change('a'), change('b')]);
    vi.advanceTimersByTime(GAP_MS);
    changes$.next([{ incarnation: 'a', member: undefined }]);
    expect(weights(sets.at(-1))).toEqual({ b: 1 });
    const second: EligibleSet[] = [];
    sets$.subscribe((set) => second.push(set));
    changes$.next([change('c')]);
    expect(weights(second.at(-1))).toEqual({ c: 1 });
  });
});

describe('a policy that changes', () => {
  const unknown: MemberChange = { incarnation: 'a', member: aMember({ id: 'a' }, { verdict: 'unknown' }) };

  it('makes a set by the new one at once, and none by being there', () => {
    const policy$ = new BehaviorSubject<EligibilityPolicy>(POLICY);
    const { changes$, sets } = watch(policy$);
    expect(sets).toHaveLength(1);
    changes$.next([unknown]);
    vi.advanceTimersByTime(GAP_MS);
    expect(sets.at(-1)?.eligible).toHaveLength(1);
    policy$.next({ ...POLICY, excludesUnchecked: true });
    expect(sets.at(-1)?.excluded).toMatchObject([{ reason: 'unchecked' }]);
    vi.advanceTimersByTime(GAP_MS);
    policy$.next({ excludesUnchecked: true, panicThresholdPercent: 50 });
    expect(sets.at(-1)).toMatchObject({ version: 3, isPanic: true });
  });

  it('does not keep the sets going when there are no changes any more', () => {
    const policy$ = new BehaviorSubject<EligibilityPolicy>(POLICY);
    const { changes$, subscription } = watch(policy$);
    changes$.complete();
    expect([subscription.closed, policy$.observed]).toEqual([true, false]);
  });
});

describe('any interleaving of changes and time', () => {
  const id = fc.constantFrom('a', 'b', 'c');
  const verdict = fc.constantFrom('unknown' as const, 'healthy' as const, 'unhealthy' as const);
  const fields = fc.record({ weight: fc.nat(2), adminUp: fc.boolean() });
  const memberChange = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(id, fields, fc.record({ verdict, isDraining: fc.boolean() })) },
    { weight: 1, arbitrary: fc.tuple(id) },
  );
  const policyChange = fc.record({
    excludesUnchecked: fc.boolean(),
    panicThresholdPercent: fc.constantFrom(0, 50, 100),
  });
  const step = fc.oneof(
    { weight: 1, arbitrary: policyChange },
    { weight: 2, arbitrary: fc.array(memberChange, { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 * GAP_MS }) },
  );

  it('converges: a gap after the last change the set is what members and policy say, whatever came before', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30, size: 'large' }), (steps) => {
        const policy$ = new BehaviorSubject<EligibilityPolicy>(POLICY);
        const { changes$, sets, subscription } = watch(policy$);
        const members = new Map<string, Member>();
        for (const one of steps) {
          if (typeof one === 'number') vi.advanceTimersByTime(one);
          else if ('excludesUnchecked' in one) policy$.next(one);
          else {
            const changes = one.map(([name, row, state]) => ({
              incarnation: name,
              member: row && aMember({ id: name, ...row }, state),
            }));
            for (const { incarnation, member } of changes) {
              if (member === undefined) members.delete(incarnation);
              else members.set(incarnation, member);
            }
            changes$.next(changes);
          }
        }
        vi.advanceTimersByTime(GAP_MS);
        const last = sets.at(-1)!;
        const byId = [...members.values()].toSorted((a, b) => (a.backend.id < b.backend.id ? -1 : 1));
        expect(last).toEqual(deriveEligibleSet(byId, last.version, policy$.value));
        expect(sets.map(({ version }) => version)).toEqual(sets.map((_, index) => index));
        subscription.unsubscribe();
      }),
      { numRuns: 1_000 },
    );
  });
});
