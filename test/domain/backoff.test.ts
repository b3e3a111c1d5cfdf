import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffDelayMs } from '../../src/domain/backoff.ts';

const options = fc.record({
  baseMs: fc.integer({ min: 1, max: 10_000 }),
  maxMs: fc.integer({ min: 1, max: 600_000 }),
});
const attempt = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
);
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const ALMOST_ONE = 1 - Number.EPSILON;

describe('backoffDelayMs', () => {
  it.each([
    [1, 100],
    [2, 200],
    [3, 400],
    [4, 800],
    [5, 1000],
    [6, 1000],
    [1000, 1000],
  ])('before retry %d waits at most %d ms and at least half of it', (retry, ceiling) => {
    const bounds = { baseMs: 100, maxMs: 1000 };
    expect(backoffDelayMs(retry, bounds, 0)).toBe(ceiling / 2);
    expect(backoffDelayMs(retry, bounds, ALMOST_ONE)).toBeCloseTo(ceiling);
  });

  it('stays between half of the first delay and the maximum, for every attempt', () => {
    fc.assert(
      fc.property(attempt, options, random, (retry, bounds, drawn) => {
        const delayMs = backoffDelayMs(retry, bounds, drawn);
        expect(delayMs).toBeGreaterThanOrEqual(Math.min(bounds.baseMs, bounds.maxMs) / 2);
        expect(delayMs).toBeLessThanOrEqual(bounds.maxMs);
      }),
    );
  });

  it('never lowers its ceiling from one attempt to the next', () => {
    fc.assert(
      fc.property(attempt, options, random, (retry, bounds, drawn) => {
        expect(backoffDelayMs(retry + 1, bounds, drawn)).toBeGreaterThanOrEqual(
          backoffDelayMs(retry, bounds, drawn),
        );
      }),
    );
  });

  it('spreads equal attempts over half of the ceiling', () => {
    fc.assert(
      fc.property(attempt, options, (retry, bounds) => {
        const lowest = backoffDelayMs(retry, bounds, 0);
        expect(backoffDelayMs(retry, bounds, ALMOST_ONE) - lowest).toBeCloseTo(lowest);
      }),
    );
  });
});
