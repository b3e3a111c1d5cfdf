import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_PERMIT } from '../../src/proxy/gates.ts';
import { aPair, gates, nextSlot, PAIR_SETTINGS } from '../support/breaker-and-gate.ts';

describe('a breaker and its gate', () => {
  it('half-open, admit three at a time, and the next one when one has ended', () => {
    const pair = aPair();
    pair.halfOpen();
    expect(pair.enterAll()).toBe(3);
    pair.end(0, 'success');
    pair.apply();
    expect(pair.enterAll()).toBe(1);
    pair.end(0, 'abort');
    expect(pair.enterAll()).toBe(1);
  });

  it('open, admit nothing', () => {
    const pair = aPair();
    pair.enter();
    pair.end(0, 'failure');
    pair.apply();
    expect(pair.enterAll()).toBe(0);
  });

  it('admit three more when trials stay silent for the lease, and take nothing back of the silent ones', () => {
    const pair = aPair();
    pair.halfOpen();
    pair.enterAll();
    pair.pass(PAIR_SETTINGS.leaseMs);
    pair.apply();
    expect(pair.enterAll()).toBe(3);
    for (let silent = 0; silent < 3; silent++) pair.end(0, 'abort');
    expect(pair.enterAll()).toBe(0);
  });

  it('go by a changed threshold, also with trials in flight', () => {
    const pair = aPair();
    const change = (successThreshold: number): void => {
      pair.actor.send({ type: 'SETTINGS_CHANGED', settings: { ...PAIR_SETTINGS, successThreshold } });
      pair.apply();
    };
    pair.halfOpen();
    pair.enterAll();
    change(5);
    expect(pair.enterAll()).toBe(2);
    change(2);
    for (let ended = 0; ended < 3; ended++) pair.end(0, 'abort');
    expect(pair.enterAll()).toBe(0);
    pair.end(0, 'abort');
    expect(pair.enterAll()).toBe(1);
  });

  it('admit no more than before a panic once it is over', () => {
    const pair = aPair();
    pair.halfOpen();
    pair.enterAll();
    pair.apply(true);
    expect(pair.enter()).toBe(true);
    pair.apply();
    expect(pair.enterAll()).toBe(0);
    pair.end(3, 'abort');
    expect(pair.enterAll()).toBe(0);
    pair.end(0, 'abort');
    expect(pair.enterAll()).toBe(1);
  });
});

it('a slot that another backend had begins with all permits of its new one', () => {
  const slot = nextSlot();
  const gate = { epoch: 3, grant: 3, permits: 1 };
  gates.apply(slot, gate);
  gates.take(slot);
  expect(gates.isShut(slot)).toBe(true);
  gates.clear(slot);
  expect([gates.isShut(slot), gates.take(slot)]).toEqual([false, NO_PERMIT]);
  gates.apply(slot, gate);
  expect(gates.isShut(slot)).toBe(false);
});

const settings = fc.record({
  failureThreshold: fc.integer({ min: 1, max: 2 }),
  successThreshold: fc.integer({ min: 1, max: 3 }),
  openMs: fc.integer({ min: 1, max: 4 }),
  leaseMs: fc.integer({ min: 2, max: 6 }),
});

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('enter' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      which: fc.nat(20),
      how: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom('success' as const, 'abort' as const) },
        { weight: 1, arbitrary: fc.constant('failure' as const) },
      ),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('apply' as const), isPanic: fc.constant(false) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('apply' as const), isPanic: fc.constant(true) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 7 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('change' as const), settings }) },
);
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

function take(pair: ReturnType<typeof aPair>, one: Step): void {
  switch (one.do) {
    case 'enter':
      return void pair.enter();
    case 'end':
      return pair.end(one.which, one.how);
    case 'apply':
      return pair.apply(one.isPanic);
    case 'pass':
      return pair.pass(one.ms);
    case 'change':
      return pair.actor.send({ type: 'SETTINGS_CHANGED', settings: one.settings });
    default:
      return one satisfies never;
  }
}

describe('any interleaving of clients, sets, settings and time', () => {
  const steps = fc.array(step, { maxLength: 100, size: 'large' });

  it('admits nobody to an open circuit, and to a half-open one no more at a time than permits', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(settings, steps, (first, list) => {
        const pair = aPair(first);
        pair.halfOpen();
        for (const one of list) {
          const before = pair.trials.length;
          take(pair, one);
          const { permits } = pair.applied();
          if (pair.trials.length <= before || permits === undefined) continue;
          expect(pair.inFlight()).toBeLessThanOrEqual(permits);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('loses no permit: when every trial has ended, as many are free as there are', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(settings, steps, (first, list) => {
        const pair = aPair(first);
        pair.halfOpen();
        for (const one of list) take(pair, one);
        pair.apply();
        while (pair.trials.length > 0) pair.end(0, 'abort');
        expect(pair.enterAll()).toBe(pair.applied().permits ?? 100);
      }),
      { numRuns: 1_000 },
    );
  });

  it('always comes back to closed once the backend works', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(settings, steps, (first, list) => {
        const pair = aPair(first);
        pair.halfOpen();
        for (const one of list) take(pair, one);
        while (pair.trials.length > 0) pair.end(0, 'abort');
        const { openMs, successThreshold } = pair.actor.getSnapshot().context.settings;
        pair.apply();
        if (pair.applied().permits === 0) pair.pass(openMs);
        pair.apply();
        for (let trial = 0; trial < successThreshold; trial++) {
          expect(pair.enter()).toBe(true);
          pair.end(0, 'success');
          pair.apply();
        }
        expect(pair.actor.getSnapshot().value).toBe('closed');
      }),
      { numRuns: 1_000 },
    );
  });
});
