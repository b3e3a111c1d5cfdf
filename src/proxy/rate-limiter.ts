import { CidrSet } from '../domain/cidr-set.ts';
import type { MonotonicClock, RateLimitSource } from '../domain/ports.ts';
import type { RateLimit } from '../domain/token-bucket.ts';
import { expectWholeNumber } from '../domain/whole-number.ts';
import { BucketTable, type BucketTableMemory, newBucketTableMemory, SET_BUCKETS } from './bucket-table.ts';
import { maskOf } from './client-key.ts';
import { IpAddress } from './ip-address.ts';
import { type HashKey, newHashKey } from './keyed-hash.ts';
import {
  newSharedRateLimitMemory,
  SharedRateLimit,
  type SharedRateLimitMemory,
} from './shared-rate-limit.ts';

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
  /** False admits everybody until it is switched on; default true. */
  readonly isOn?: boolean;
  /** Clients that are remembered at most, at least 15; 17 bytes each, or 26 when `ipv6Prefix` is above 64. Default 100,000. */
  readonly maxClients?: number;
  /** Bits of an IPv6 address that make a client, 1 to 128; default 64. */
  readonly ipv6Prefix?: number;
  /** Networks whose clients are never limited, such as `10.0.0.0/8`. */
  readonly exempt?: readonly string[];
}

/** What the threads of one limiter share: plain data, may be sent to a thread. */
export interface RateLimiterMemory {
  readonly ipv6Prefix: number;
  readonly exempt: readonly string[];
  readonly startedUs: number;
  readonly limit: SharedRateLimitMemory;
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
  const {
    isOn = true,
    maxClients = DEFAULT_MAX_CLIENTS,
    ipv6Prefix = DEFAULT_IPV6_PREFIX,
    exempt = [],
  } = config;
  expectWholeNumber('maxClients', maxClients, SET_BUCKETS, MOST_CLIENTS);
  expectWholeNumber('ipv6Prefix', ipv6Prefix, 1, IPV6_BITS);
  return {
    ipv6Prefix,
    exempt,
    limit: newSharedRateLimitMemory(config, isOn),
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
 * fractions of them as time passes. Exact to the microsecond, and over all threads that share the memory. The limit may
 * change while it is in use.
 *
 * Source: seed, Rate Limiting.
 */
export class RateLimiter implements RateLimitSource {
  readonly memory: RateLimiterMemory;
  readonly #now: MonotonicClock;
  readonly #limit: SharedRateLimit;
  #exempt: CidrSet | undefined;
  readonly #table: BucketTable;
  /** What a word of an IPv6 address is masked with. */
  readonly #masks: Uint32Array;
  readonly #key: Uint32Array;

  /** Fails with `ERR_SETTINGS_INVALID` on a number out of range and on text that is no network. */
  constructor(options: RateLimiterOptions) {
    const { now, holder = 1 } = options;
    this.memory = 'memory' in options ? options.memory : newRateLimiterMemory(options, now);
    const { limit, exempt, ipv6Prefix, table } = this.memory;
    this.#now = now;
    this.#limit = new SharedRateLimit(limit);
    this.#exempt = setOf(exempt);
    this.#table = new BucketTable(table, this.#limit, holder);
    this.#masks = Uint32Array.from({ length: 4 }, (_, word) => maskOf(ipv6Prefix - word * WORD_BITS));
    this.#key = new Uint32Array(table.keyWords);
  }

  /** Takes a token of the client; false when it has none left. Throws a `TypeError` on what is no address. */
  check(client: string): boolean {
    return this.admit(IpAddress.of(client).words);
  }

  /** Whole tokens that the client has left; `Infinity` when it is exempt, or the limiter is off. Throws a `TypeError` on what is no address. */
  remaining(client: string): number {
    const { words } = IpAddress.of(client);
    if (this.#isExempt(words) || !this.#limit.isOn) return Infinity;
    return this.#table.tokensOf(this.#keyOf(words), this.#nowUs());
  }

  /** The same as `check` by the words of an `IpAddress`; allocates nothing. */
  admit(words: Uint32Array): boolean {
    if (!this.#limit.isOn || this.#isExempt(words)) return true;
    return this.#table.spend(this.#keyOf(words), this.#nowUs());
  }

  /**
   * Goes by another limit, in all threads at once; by one thread alone. A bucket that was full, empty, or half full is
   * so still. A limiter that is switched off admits everybody, and its buckets fill meanwhile.
   */
  change(limit: RateLimit, isOn = true): void {
    this.#limit.change(limit);
    if (isOn || this.#limit.hasBeenOn) this.#table.rescale(this.#nowUs());
    this.#limit.switch(isOn);
  }

  /** Limits clients of other networks than these from now on, in this thread. Fails as the constructor does. */
  exempt(networks: readonly string[]): void {
    this.#exempt = setOf(networks);
  }

  report(): { readonly evictedEarly: number } {
    return { evictedEarly: this.#limit.hasBeenOn ? this.#table.evictedEarly : 0 };
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

  /** Since the beginning. The clocks of two threads may differ by a rounding at the very start. */
  #nowUs(): number {
    return Math.max(0, microsOf(this.#now) - this.memory.startedUs);
  }
}

function setOf(networks: readonly string[]): CidrSet | undefined {
  return networks.length === 0 ? undefined : new CidrSet(networks);
}

function microsOf(now: MonotonicClock): number {
  return Math.floor(now() * US_PER_MS);
}
