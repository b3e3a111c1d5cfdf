import { expectWholeNumber } from './whole-number.ts';

/** How much one client may do: `burstSize` requests at once, and `maxRequests` in each `windowMs` from then on. */
export interface RateLimit {
  readonly maxRequests: number;
  readonly windowMs: number;
  readonly burstSize: number;
}

/**
 * A limit in whole units, chosen so that what a bucket earns in a microsecond and what a request costs are both whole
 * numbers: then additions are exact, and no rounding adds up.
 */
export interface BucketScale {
  readonly unitsPerUs: number;
  readonly unitsPerToken: number;
  readonly capacityUnits: number;
}

/** What `spendToken` answers when there is no whole token. */
export const NO_TOKEN = -1;

const US_PER_MS = 1_000;

/** The most that a number of a limit may be, and 24 days for the window. */
const MOST = 2_147_483_647;

/** Fails with `ERR_SETTINGS_INVALID` unless all three are whole numbers above 0. */
export function bucketScaleOf({ maxRequests, windowMs, burstSize }: RateLimit): BucketScale {
  expectWholeNumber('maxRequests', maxRequests, 1, MOST);
  expectWholeNumber('windowMs', windowMs, 1, MOST);
  expectWholeNumber('burstSize', burstSize, 1, MOST);
  const windowUs = windowMs * US_PER_MS;
  const divisor = greatestCommonDivisor(maxRequests, windowUs);
  const unitsPerToken = windowUs / divisor;
  return {
    unitsPerUs: maxRequests / divisor,
    unitsPerToken,
    capacityUnits: burstSize * unitsPerToken,
  };
}

/**
 * Takes a token out of a bucket: the instant at which the bucket will be full again, or `NO_TOKEN`, and then the
 * bucket is as before.
 *
 * A bucket is one number, that instant: a token bucket with fractions of tokens that is refilled all the time
 * (the generic cell rate algorithm, ITU-T I.371). Any instant that has passed is a full bucket, so 0 is a new one.
 * Instants are in units: microseconds times `unitsPerUs`. They are exact up to 2^53 units, which at 100 requests a
 * second takes 285 years; rounding beyond that is below a hundredth of a token for a year at a million a second.
 */
export function spendToken(
  { unitsPerToken, capacityUnits }: BucketScale,
  fullAt: number,
  now: number,
): number {
  // What is missing is subtracted and compared before it is added to an instant that may have to be rounded.
  const missing = fullAt > now ? fullAt - now : 0;
  return missing + unitsPerToken <= capacityUnits ? now + missing + unitsPerToken : NO_TOKEN;
}

/** Whole tokens in a bucket. */
export function tokensIn({ unitsPerToken, capacityUnits }: BucketScale, fullAt: number, now: number): number {
  return Math.floor((capacityUnits - Math.max(0, fullAt - now)) / unitsPerToken);
}

/**
 * The same bucket by another limit: one that was full, empty, or half full is so still. What it lacks is rounded up to
 * a whole unit of the new scale. A change of the rate alone leaves its tokens as they are.
 *
 * @param nowUs in microseconds
 */
export function rescaleBucket(
  before: BucketScale,
  after: BucketScale,
  fullAt: number,
  nowUs: number,
): number {
  const missing = fullAt - nowUs * before.unitsPerUs;
  if (missing <= 0) return 0;
  // Never below empty, whatever half a change has left behind.
  const share = Math.min(missing, before.capacityUnits);
  return nowUs * after.unitsPerUs + Math.ceil((share * after.capacityUnits) / before.capacityUnits);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
