import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../src/domain/backend.ts';
import { EMPTY_SET, deriveEligibleSet, exclusionOf } from '../../src/domain/eligibility.ts';

const UP: Backend = {
  id: 'br-1',
  app: 'web',
  region: 'sa',
  country: 'BR',
  host: '10.0.0.1',
  port: 80,
  adminUp: true,
  weight: 1,
  softLimit: 100,
  hardLimit: 150,
  deleted: false,
};

const backends = fc.array(
  fc
    .record({ id: fc.string(), adminUp: fc.boolean(), deleted: fc.boolean(), weight: fc.nat(2) })
    .map((fields): Backend => ({ ...UP, ...fields })),
);

describe('exclusionOf', () => {
  it.each([
    [undefined, {}],
    ['deleted', { deleted: true }],
    ['admin_down', { adminUp: false }],
    ['weight_zero', { weight: 0 }],
    ['deleted', { deleted: true, adminUp: false, weight: 0 }],
    ['admin_down', { adminUp: false, weight: 0 }],
  ])('gives %s for %j', (reason, fields) => {
    expect(exclusionOf({ ...UP, ...fields })).toBe(reason);
  });
});

describe('deriveEligibleSet', () => {
  it('puts every backend on exactly one side, in the order given', () => {
    fc.assert(
      fc.property(backends, fc.nat(), (wanted, version) => {
        const set = deriveEligibleSet(wanted, version);
        expect(set.version).toBe(version);
        expect(set.eligible).toEqual(wanted.filter((backend) => exclusionOf(backend) === undefined));
        expect(set.excluded).toEqual(
          wanted.flatMap((backend) => {
            const reason = exclusionOf(backend);
            return reason === undefined ? [] : [{ backend, reason }];
          }),
        );
        expect(set.eligible.length + set.excluded.length).toBe(wanted.length);
      }),
    );
  });

  it('holds only what is up, kept and of some weight', () => {
    fc.assert(
      fc.property(backends, (wanted) => {
        for (const { adminUp, deleted, weight } of deriveEligibleSet(wanted, 1).eligible) {
          expect({ adminUp, deleted, weighs: weight > 0 }).toEqual({
            adminUp: true,
            deleted: false,
            weighs: true,
          });
        }
      }),
    );
  });

  it('is frozen, so that no reader can change what another one routes by', () => {
    const set = deriveEligibleSet([UP, { ...UP, id: 'br-2', weight: 0 }], 7);
    for (const value of [set, set.eligible, set.excluded, set.excluded[0], EMPTY_SET, EMPTY_SET.eligible]) {
      expect(Object.isFrozen(value)).toBe(true);
    }
  });

  it('leaves the list that it was given as it was', () => {
    const wanted = [UP, { ...UP, id: 'br-2', weight: 0 }];
    deriveEligibleSet(wanted, 1);
    expect(wanted.map(({ id }) => id)).toEqual(['br-1', 'br-2']);
    expect(Object.isFrozen(wanted)).toBe(false);
  });
});
