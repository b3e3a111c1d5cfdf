import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { incarnationOf } from '../../src/domain/backend.ts';
import { Directory } from '../../src/proxy/directory.ts';
import { newSharedState } from '../../src/proxy/shared-state.ts';
import { newcomerOf, Roster } from '../../src/proxy/tls/roster.ts';
import { aBackend, aSet } from '../support/backends.ts';
import { silentLogger } from '../support/proxy.ts';

const MAX_SLOTS = 6;
const BACKENDS = Array.from({ length: 8 }, (_, index) => aBackend({ id: `b${index}`, port: 1_000 + index }));

/** A roster that is told of every set, and the table of slots whose newcomers it is told. */
function aRoster() {
  const state = newSharedState(1, { maxBindings: 10, maxSlots: MAX_SLOTS });
  const directory = new Directory(state, silentLogger);
  const roster = new Roster();
  let version = 0;
  return {
    slots: directory.slots,
    roster,
    publish(this: void, numbers: readonly number[]): void {
      const backends = numbers.map((number) => BACKENDS[number]!);
      directory.publish(aSet(backends, ++version));
      for (const newcomer of directory.newcomers) roster.add(newcomerOf(newcomer));
      directory.inForce(version);
    },
  };
}

describe('Roster', () => {
  it('knows backends that have come back, each in the slot of another one', () => {
    const { slots, roster, publish } = aRoster();
    publish([0, 1, 2]);
    publish([2]);
    slots.scraped();
    publish([0, 1, 2]);
    const [first, second] = BACKENDS.map(incarnationOf);
    expect(roster.of(first!)).toMatchObject({ tenancy: slots.of(first!)!.tenancy });
    expect(roster.of(second!)).toMatchObject({ tenancy: slots.of(second!)!.tenancy });
  });

  it('knows whoever has a slot as the table of slots does, however slots change hands', () => {
    const step = fc.record({
      numbers: fc.uniqueArray(fc.nat(BACKENDS.length - 1)),
      isScraped: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { slots, roster, publish } = aRoster();
        for (const { numbers, isScraped } of steps) {
          publish(numbers);
          for (const { slot, tenancy, incarnation } of slots.occupants())
            for (const known of [roster.of(incarnation), roster.at(slot), roster.holding(tenancy)])
              expect(known).toMatchObject({ slot, tenancy, incarnation });
          if (isScraped) slots.scraped();
        }
      }),
    );
  });
});
