import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  deriveEligibleSet,
  type EligibilityPolicy,
  EMPTY_SET,
  type ExclusionReason,
  type Member,
  OPEN_GATE,
} from '../../src/domain/eligibility.ts';
import type { Backend } from '../../src/domain/backend.ts';
import { aMember } from '../support/backends.ts';

const STRICT: EligibilityPolicy = { excludesUnchecked: true, panicThresholdPercent: 0 };
const LENIENT: EligibilityPolicy = { excludesUnchecked: false, panicThresholdPercent: 0 };
const SHUT = { epoch: 2, grant: 2, permits: 0 };

const memberOf = fc
  .record({
    id: fc.string({ minLength: 1, maxLength: 3 }),
    port: fc.integer({ min: 1, max: 3 }),
    adminUp: fc.boolean(),
    deleted: fc.boolean(),
    weight: fc.nat(2),
    expired: fc.constantFrom(undefined, undefined, true),
    isDraining: fc.boolean(),
    verdict: fc.constantFrom('unknown', 'healthy', 'unhealthy'),
    permits: fc.constantFrom(undefined, 0, 3),
  })
  .map(({ isDraining, verdict, permits, ...fields }): Member =>
    aMember(fields, { isDraining, verdict, gate: { epoch: 1, grant: 1, permits } }),
  );
const members = fc.uniqueArray(memberOf, {
  selector: ({ backend: { id, port } }) => `${id}@${port}`,
  maxLength: 12,
});
const policies = fc.record({
  excludesUnchecked: fc.boolean(),
  panicThresholdPercent: fc.integer({ min: 0, max: 100 }),
  panicsByApp: fc.constant(false),
});

const isWanted = ({ backend, isDraining }: Member): boolean =>
  !isDraining && !backend.deleted && backend.adminUp && backend.weight > 0 && backend.expired !== true;
const works = ({ verdict, gate }: Member, { excludesUnchecked }: EligibilityPolicy): boolean =>
  verdict !== 'unhealthy' && !(verdict === 'unknown' && excludesUnchecked) && gate.permits !== 0;

describe('deriveEligibleSet', () => {
  it.each<[ExclusionReason | undefined, Member, EligibilityPolicy]>([
    [undefined, aMember(), STRICT],
    ['deleted', aMember({ deleted: true, adminUp: false, weight: 0 }), STRICT],
    ['admin_down', aMember({ adminUp: false, weight: 0 }, { verdict: 'unhealthy' }), STRICT],
    ['weight_zero', aMember({ weight: 0, expired: true }, { verdict: 'unhealthy' }), STRICT],
    ['expired', aMember({ expired: true }, { verdict: 'unhealthy' }), STRICT],
    ['draining', aMember({ deleted: true }, { isDraining: true }), STRICT],
    ['unhealthy', aMember({}, { verdict: 'unhealthy', gate: SHUT }), STRICT],
    ['unchecked', aMember({}, { verdict: 'unknown' }), STRICT],
    [undefined, aMember({}, { verdict: 'unknown' }), LENIENT],
    ['circuit_open', aMember({}, { gate: SHUT }), STRICT],
    [undefined, aMember({}, { gate: { epoch: 3, grant: 3, permits: 2 } }), STRICT],
  ])('gives the reason %s', (reason, member, policy) => {
    const { eligible, excluded } = deriveEligibleSet([member], 1, policy);
    if (reason === undefined) expect(eligible).toEqual([{ backend: member.backend, gate: member.gate }]);
    else expect(excluded).toEqual([{ backend: member.backend, reason }]);
  });

  it('is rows and administrative state and health and breaker, none overruling another, outside a panic', () => {
    fc.assert(
      fc.property(members, policies, (all, policy) => {
        const set = deriveEligibleSet(all, 7, policy);
        const expected = all.filter((member) => isWanted(member) && (set.isPanic || works(member, policy)));
        expect(set.eligible.map(({ backend }) => backend)).toEqual(
          expect.arrayContaining(expected.map(({ backend }) => backend)),
        );
        expect(set.eligible).toHaveLength(expected.length);
        expect(set.eligible.length + set.excluded.length).toBe(all.length);
      }),
      { numRuns: 1_000 },
    );
  });

  it('panics exactly when too small a share of the wanted backends works, and never lets others in', () => {
    fc.assert(
      fc.property(members, policies, (all, policy) => {
        const { isPanic, eligible } = deriveEligibleSet(all, 1, policy);
        const wanted = all.filter(isWanted);
        const share = wanted.filter((member) => works(member, policy)).length / wanted.length;
        expect(isPanic).toBe(wanted.length > 0 && share * 100 < policy.panicThresholdPercent);
        const ids = new Set(wanted.map(({ backend }) => backend));
        expect(eligible.every(({ backend, gate }) => ids.has(backend) && gate.permits !== 0)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is a function of the members and the policy: neither their order nor what was before matters', () => {
    const inTwoOrders = members.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })),
    );
    fc.assert(
      fc.property(inTwoOrders, members, policies, ([all, shuffled], others, policy) => {
        const set = deriveEligibleSet(all, 1, policy);
        deriveEligibleSet(others, 2, policy);
        expect(deriveEligibleSet(shuffled, 1, policy)).toEqual(set);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is frozen, so that no reader can change what another one routes by', () => {
    const set = deriveEligibleSet([aMember(), aMember({ id: 'b2', weight: 0 })], 7, STRICT);
    const parts = [set, set.eligible, set.eligible[0], set.excluded, set.excluded[0], EMPTY_SET, OPEN_GATE];
    expect(parts.every(Object.isFrozen)).toBe(true);
  });

  it('leaves the list that it was given as it was', () => {
    const all = [aMember({ id: 'b2' }), aMember({ id: 'b1' })];
    deriveEligibleSet(all, 1, STRICT);
    expect(all.map(({ backend }) => backend.id)).toEqual(['b2', 'b1']);
  });

  it('asks each app by itself whether too few of its backends work, where that is wanted', () => {
    fc.assert(
      fc.property(
        members.chain((all) =>
          fc.tuple(...all.map((member) => fc.constantFrom('web', 'db').map((app) => ({ member, app })))),
        ),
        policies,
        (all, policy) => {
          const withApps = all.map(({ member, app }) => ({ ...member, backend: { ...member.backend, app } }));
          const set = deriveEligibleSet(withApps, 1, { ...policy, panicsByApp: true });
          const alone = ['web', 'db'].map((app) =>
            deriveEligibleSet(
              withApps.filter(({ backend }) => backend.app === app),
              1,
              policy,
            ),
          );
          for (const [index, app] of ['web', 'db'].entries()) {
            const isOfApp = ({ backend }: { readonly backend: Backend }): boolean => backend.app === app;
            expect(set.eligible.filter(isOfApp)).toEqual(alone[index]!.eligible);
            expect(set.excluded.filter(isOfApp)).toEqual(alone[index]!.excluded);
          }
          expect(set.isPanic).toBe(alone.some(({ isPanic }) => isPanic));
        },
      ),
    );
  });
});
