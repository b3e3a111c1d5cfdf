import { CidrSet } from '../domain/cidr-set.ts';
import type { MonotonicClock, RateLimitSource } from '../domain/ports.ts';
import { bucketScaleOf, type RateLimit } from '../domain/token-bucket.ts';
import { expectWholeNumber } from '../domain/whole-number.ts';
import { BucketTable, type BucketTableMemory, newBucketTableMemory, SET_BUCKETS } from './bucket-table.ts';
import { maskOf } from './client-key.ts';
import { IpAddress } from './ip-address.ts';
import { type HashKey, newHashKey } from './keyed-hash.ts';

const DEFAULT_MAX_CLIENTS = 100_000;
const MOST_CLIENTS = 2_147_483;
const DEFAULT_IPV6_PREFIX = 64;
const IPV6_BITS = 128;
const WORD_BITS = 32;
const MAPPED = 0xffff;
/** Stands for the first word of an IPv6 address, and is of none that a client can have: of multicast. */
const IPV4_MARK = 0xffff_ffff;
const US_PER_MS = 1_000;

export interface RateLimitConfig extends RateLimit {
  /** Clients that are remembered at most, at least 15; 17 bytes each, or 26 when `ipv6Prefix` is above 64. Default 100,000. */
  readonly maxClients?: number;
  /** Bits of an IPv6 address that make a client, 1 to 128; default 64. */
  readonly ipv6Prefix?: number;
  /** Networks whose clients are never limited, such as `10.0.0.0/8`. */
  readonly exempt?: readonly string[];
}

/** What the threads of one limiter share: plain data, may be sent to a thread. */
export interface RateLimiterMemory {
  readonly config: Required<RateLimitConfig>;
  readonly startedUs: number;
  readonly table: BucketTableMemory;
}

export type RateLimiterOptions = {
  /** The same clock in every thread. */
  readonly now: MonotonicClock;
  /** A number above 0 that is this thread's alone; default 1. */
  readonly holder?: number;
} & (RateLimitConfig | { readonly memory: RateLimiterMemory });

/** Fails with `ERR_SETTINGS_INVALID` on a number out of range. @param hashKey a secret */
export function newRateLimiterMemory(
  config: RateLimitConfig,
  now: MonotonicClock,
  hashKey: HashKey = newHashKey(),
): RateLimiterMemory {
  const { maxRequests, windowMs, burstSize } = config;
  const { maxClients = DEFAULT_MAX_CLIENTS, ipv6Prefix = DEFAULT_IPV6_PREFIX, exempt = [] } = config;
  expectWholeNumber('maxClients', maxClients, SET_BUCKETS, MOST_CLIENTS);
  expectWholeNumber('ipv6Prefix', ipv6Prefix, 1, IPV6_BITS);
  return {
    config: { maxRequests, windowMs, burstSize, maxClients, ipv6Prefix, exempt },
    startedUs: microsOf(now),
    table: newBucketTableMemory({
      maxBuckets: maxClients,
      keyWords: ipv6Prefix <= 2 * WORD_BITS ? 2 : 4,
      hashKey,
    }),
  };
}

/**
 * A token bucket for each client: an IPv4 address (mapped ones too), or a prefix of IPv6 addresses.
 *
 * A bucket starts full with `burstSize` tokens, a request takes one, and `maxRequests` come back over each `windowMs`,
 * fractions of them as time passes. Exact to the microsecond, and over all threads that share the memory.
 *
 * Source: seed, Rate Limiting.
 */
export class RateLimiter implements RateLimitSource {
  readonly memory: RateLimiterMemory;
  readonly #now: MonotonicClock;
  readonly #unitsPerUs: number;
  readonly #exempt: CidrSet | undefined;
  readonly #table: BucketTable;
  /** What a word of an IPv6 address is masked with. */
  readonly #masks: Uint32Array;
  readonly #key: Uint32Array;

  /** Fails with `ERR_SETTINGS_INVALID` on a number out of range and on text that is no network. */
  constructor(options: RateLimiterOptions) {
    const { now, holder = 1 } = options;
    this.memory = 'memory' in options ? options.memory : newRateLimiterMemory(options, now);
    const { config, table } = this.memory;
    const scale = bucketScaleOf(config);
    this.#now = now;
    this.#unitsPerUs = scale.unitsPerUs;
    this.#exempt = config.exempt.length === 0 ? undefined : new CidrSet(config.exempt);
    this.#table = new BucketTable(table, scale, holder);
    this.#masks = Uint32Array.from({ length: 4 }, (_, word) => maskOf(config.ipv6Prefix - word * WORD_BITS));
    this.#key = new Uint32Array(table.keyWords);
  }

  /** Takes a token of the client; false when it has none left. Throws a `TypeError` on what is no address. */
  check(client: string): boolean {
    return this.admit(IpAddress.of(client).words);
  }

  /** Whole tokens that the client has left; `Infinity` when it is exempt. Throws a `TypeError` on what is no address. */
  remaining(client: string): number {
    const { words } = IpAddress.of(client);
    if (this.#isExempt(words)) return Infinity;
    return this.#table.tokensOf(this.#keyOf(words), this.#instant());
  }

  /** The same as `check` by the words of an `IpAddress`; allocates nothing. */
  admit(words: Uint32Array): boolean {
    return this.#isExempt(words) || this.#table.spend(this.#keyOf(words), this.#instant());
  }

  report(): { readonly evictedEarly: number } {
    return { evictedEarly: this.#table.evictedEarly };
  }

  /**
   * To be called by another thread when one has died: buckets that it was changing are full again, and nobody waits for
   * them. Without it, who wants one of them waits for a second, once.
   */
  threadDied(holder: number): void {
    this.#table.threadDied(holder);
  }

  #isExempt(words: Uint32Array): boolean {
    return this.#exempt !== undefined && this.#exempt.contains(words);
  }

  /** The word that differs most comes first: it is looked for. */
  #keyOf(words: Uint32Array): Uint32Array {
    const key = this.#key;
    const isIpv4 = words[2] === MAPPED && words[1] === 0 && words[0] === 0;
    key[0] = isIpv4 ? words[3]! : words[1]! & this.#masks[1]!;
    key[1] = isIpv4 ? IPV4_MARK : words[0]! & this.#masks[0]!;
    for (let word = 2; word < key.length; word++) key[word] = words[word]! & this.#masks[word]!;
    return key;
  }

  #instant(): number {
    // The clocks of two threads may differ by a rounding at the very start.
    return Math.max(0, microsOf(this.#now) - this.memory.startedUs) * this.#unitsPerUs;
  }
}

function microsOf(now: MonotonicClock): number {
  return Math.floor(now() * US_PER_MS);
}
