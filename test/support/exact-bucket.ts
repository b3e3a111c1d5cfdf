import type { RateLimit } from '../../src/domain/token-bucket.ts';

/** A token bucket as it is defined, in exact fractions: a token is as many parts as a window has microseconds. */
export class ExactBucket {
  #limit: RateLimit;
  #windowUs: bigint;
  #capacity: bigint;
  #tokens: bigint;
  #atUs = 0n;

  constructor(limit: RateLimit) {
    this.#limit = limit;
    this.#windowUs = BigInt(limit.windowMs) * 1_000n;
    this.#capacity = BigInt(limit.burstSize) * this.#windowUs;
    this.#tokens = this.#capacity;
  }

  wholeTokens(nowUs: number): number {
    this.#refill(BigInt(nowUs));
    return Number(this.#tokens / this.#windowUs);
  }

  check(nowUs: number): boolean {
    this.#refill(BigInt(nowUs));
    if (this.#tokens < this.#windowUs) return false;
    this.#tokens -= this.#windowUs;
    return true;
  }

  /** Goes by another limit with the same share of its tokens; what is missing is a whole number of units. */
  change(limit: RateLimit, nowUs: number): void {
    this.#refill(BigInt(nowUs));
    const missing = this.#capacity - this.#tokens;
    const before = this.#capacity;
    this.#limit = limit;
    this.#windowUs = BigInt(limit.windowMs) * 1_000n;
    this.#capacity = BigInt(limit.burstSize) * this.#windowUs;
    // A unit is as many parts as a microsecond brings at the least: the greatest that both sides are multiples of.
    const unit = greatestCommonDivisor(BigInt(limit.maxRequests), this.#windowUs);
    const units = (missing * this.#capacity + before * unit - 1n) / (before * unit);
    this.#tokens = this.#capacity - units * unit;
  }

  /** Somebody has forgotten what was spent. */
  fill(): void {
    this.#tokens = this.#capacity;
  }

  #refill(nowUs: bigint): void {
    const filled = this.#tokens + (nowUs - this.#atUs) * BigInt(this.#limit.maxRequests);
    this.#tokens = filled < this.#capacity ? filled : this.#capacity;
    this.#atUs = nowUs;
  }
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestCommonDivisor(b, a % b);
}
