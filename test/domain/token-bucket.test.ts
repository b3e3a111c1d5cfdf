import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bucketScaleOf,
  NO_TOKEN,
  type RateLimit,
  spendToken,
  tokensIn,
} from '../../src/domain/token-bucket.ts';
import { ExactBucket } from '../support/exact-bucket.ts';

const US_PER_SECOND = 1_000_000;

/** A bucket by the code under test, from an instant on. */
class OneBucket {
  readonly #scale;
  readonly #startUs: number;
  #fullAt = 0;

  constructor(limit: RateLimit, startUs = 0) {
    this.#scale = bucketScaleOf(limit);
    this.#startUs = startUs;
  }

  check(nowUs: number): boolean {
    const next = spendToken(this.#scale, this.#fullAt, this.#instant(nowUs));
    if (next === NO_TOKEN) return false;
    this.#fullAt = next;
    return true;
  }

  tokens(nowUs: number): number {
    return tokensIn(this.#scale, this.#fullAt, this.#instant(nowUs));
  }

  #instant(nowUs: number): number {
    return (this.#startUs + nowUs) * this.#scale.unitsPerUs;
  }
}

const limit = fc.record({
  maxRequests: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 100_000 })),
  windowMs: fc.oneof(fc.constantFrom(1_000, 60_000), fc.integer({ min: 1, max: 100_000 })),
  burstSize: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 1_000 })),
});

/** Gaps between requests as a share of what a token takes: bursts, the very beat, just off it, and silences. */
const gap = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ share: 0, us: 0 }) },
  {
    weight: 4,
    arbitrary: fc.record({ share: fc.constantFrom(0.5, 1, 2), us: fc.integer({ min: -2, max: 2 }) }),
  },
  { weight: 2, arbitrary: fc.record({ share: fc.double({ min: 0, max: 3, noNaN: true }), us: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ share: fc.integer({ min: 10, max: 2_000 }), us: fc.nat(9) }) },
);

describe('a token bucket', () => {
  it('decides every request as exact fractions do, under any arrival pattern', () => {
    fc.assert(
      fc.property(limit, fc.array(gap, { minLength: 1, maxLength: 300 }), (rate, gaps) => {
        const tokenUs = (rate.windowMs * 1_000) / rate.maxRequests;
        const [exact, own] = [new ExactBucket(rate), new OneBucket(rate)];
        let nowUs = 0;
        for (const { share, us } of gaps) {
          nowUs += Math.max(0, Math.round(share * tokenUs) + us);
          expect(own.check(nowUs)).toBe(exact.check(nowUs));
          expect(own.tokens(nowUs)).toBe(exact.wholeTokens(nowUs));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('admits what the exact one does over 10 seconds of pressure, within 1 %, after a year at any rate', () => {
    const yearUs = 365 * 86_400 * US_PER_SECOND;
    const anyRate = fc
      .record({
        windowMs: fc.integer({ min: 1, max: 1_000 }).map((seconds) => seconds * 1_000),
        perSecond: fc.double({ min: 1, max: 2_000, noNaN: true }),
        burstSize: fc.integer({ min: 1, max: 100 }),
      })
      .map(({ perSecond, ...rest }) => ({
        ...rest,
        maxRequests: Math.max(1, Math.round((perSecond * rest.windowMs) / 1_000)),
      }));
    fc.assert(
      fc.property(anyRate, fc.integer({ min: 8, max: 100 }), (rate, perToken) => {
        const [exact, own] = [new ExactBucket(rate), new OneBucket(rate, yearUs)];
        const gapUs = (rate.windowMs * 1_000) / rate.maxRequests / perToken;
        let [admitted, expected] = [0, 0];
        for (let timeUs = 0; timeUs < 10 * US_PER_SECOND; timeUs += gapUs) {
          if (own.check(Math.round(timeUs))) admitted++;
          if (exact.check(Math.round(timeUs))) expected++;
        }
        expect(Math.abs(admitted - expected)).toBeLessThanOrEqual(expected / 100);
      }),
      { numRuns: 50 },
    );
  });

  it('is full for whoever comes first after a year, at the highest rate and the smallest burst', () => {
    const bucket = new OneBucket({ maxRequests: 2_147_483, windowMs: 1_000, burstSize: 1 }, 3.2e13);
    expect([0, 1, 2, 3].map((us) => bucket.check(us))).toEqual([true, true, true, true]);
    expect(bucket.check(3)).toBe(false);
  });

  it('starts full with the burst, earns fractions, and is never more than full', () => {
    const bucket = new OneBucket({ maxRequests: 100, windowMs: 1_000, burstSize: 3 });
    expect([1, 2, 3, 4].map(() => bucket.check(0))).toEqual([true, true, true, false]);
    expect([5_000, 9_999, 10_000, 19_999, 20_000].map((us) => bucket.check(us))).toEqual([
      false,
      false,
      true,
      false,
      true,
    ]);
    expect(bucket.tokens(49_999)).toBe(2);
    expect(bucket.tokens(10 * US_PER_SECOND)).toBe(3);
  });

  it.each([
    [{ maxRequests: 0 }, 'maxRequests = 0'],
    [{ maxRequests: Number.NaN }, 'maxRequests = NaN'],
    [{ windowMs: 0.5 }, 'windowMs = 0.5'],
    [{ burstSize: -1 }, 'burstSize = -1'],
    [{ burstSize: 2 ** 31 }, 'burstSize = 2147483648'],
  ])('of %j is refused', (wrong, named) => {
    const settings = { maxRequests: 100, windowMs: 1_000, burstSize: 10, ...wrong };
    expect(() => bucketScaleOf(settings)).toThrow(`${named}: expected a whole number from 1 to 2147483647`);
  });
});
