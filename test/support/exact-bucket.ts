import type { RateLimit } from '../../src/domain/token-bucket.ts';

/** A token bucket as it is defined, in exact fractions: a token is as many parts as a window has microseconds. */
export class ExactBucket {
  readonly #limit: RateLimit;
  readonly #windowUs: bigint;
  readonly #capacity: bigint;
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
