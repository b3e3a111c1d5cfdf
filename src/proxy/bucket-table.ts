import { type BucketScale, NO_TOKEN, spendToken, tokensIn } from '../domain/token-bucket.ts';
import { type HashKey, keyedHash } from './keyed-hash.ts';
import { acquireLock, inheritLock, releaseLock } from './shared-lock.ts';

/** Buckets of a set. */
export const SET_BUCKETS = 15;

/*
 * A set is seven lines of the cache, two or three of which a check touches:
 *
 *     line 0       15 tags, the lock
 *     lines 1, 2   15 instants at which a bucket is full, how many were evicted before theirs
 *     lines 3 - 6  15 keys of four words, four words that are not used
 */
const SET_BYTES = 448;
const SET_INTS = SET_BYTES / Int32Array.BYTES_PER_ELEMENT;
const SET_DOUBLES = SET_BYTES / Float64Array.BYTES_PER_ELEMENT;
const LOCK = SET_BUCKETS;
const FULL_AT = 8;
const EVICTED_EARLY = FULL_AT + SET_BUCKETS;
const KEYS = 48;
const KEY_WORDS = 4;

const NO_TAG = 0;
const NONE = -1;

/** Plain shared memory: may be sent to a thread. */
export interface BucketTableMemory {
  readonly sets: number;
  readonly hashKey: HashKey;
  /** Two views of the same memory. */
  readonly ints: Int32Array<SharedArrayBuffer>;
  readonly doubles: Float64Array<SharedArrayBuffer>;
}

/** @param maxBuckets at least `SET_BUCKETS`; rounded down to a multiple of it */
export function newBucketTableMemory(maxBuckets: number, hashKey: HashKey): BucketTableMemory {
  const sets = Math.floor(maxBuckets / SET_BUCKETS);
  const memory = new SharedArrayBuffer(sets * SET_BYTES);
  return { sets, hashKey, ints: new Int32Array(memory), doubles: new Float64Array(memory) };
}

/**
 * A token bucket for each key, for all threads, in memory of a fixed size.
 *
 * The key's hash says which set its bucket is in. A set has a lock of its own: two threads meet there only when their
 * clients do. A key that is not in its set has a full bucket, and takes the place of the bucket there that is full or
 * nearest to it: evicting a full one loses nothing, any other client gets as many tokens as its bucket lacked.
 */
export class BucketTable {
  readonly #memory: BucketTableMemory;
  readonly #scale: BucketScale;
  readonly #holder: number;

  /** @param holder a number above 0 that is this thread's alone */
  constructor(memory: BucketTableMemory, scale: BucketScale, holder: number) {
    this.#memory = memory;
    this.#scale = scale;
    this.#holder = holder;
  }

  /** Takes a token out of the key's bucket; false when there is none. @param now in units of the scale */
  spend(key: Uint32Array, now: number): boolean {
    const { ints, doubles } = this.#memory;
    const tag = this.#tagOf(key);
    const set = this.#setOf(tag);
    acquireLock(ints, set * SET_INTS + LOCK, this.#holder);
    const own = this.#find(set, tag, key);
    const place = own === NONE ? this.#nearestToFull(set) : own;
    const cell = set * SET_DOUBLES + FULL_AT + place;
    const next = spendToken(this.#scale, own === NONE ? 0 : doubles[cell]!, now);
    if (next !== NO_TOKEN) {
      if (own === NONE) this.#evictFor(set, place, tag, key, now);
      doubles[cell] = next;
    }
    releaseLock(ints, set * SET_INTS + LOCK);
    return next !== NO_TOKEN;
  }

  /** Whole tokens in the key's bucket. @param now in units of the scale */
  tokensOf(key: Uint32Array, now: number): number {
    const { ints, doubles } = this.#memory;
    const tag = this.#tagOf(key);
    const set = this.#setOf(tag);
    acquireLock(ints, set * SET_INTS + LOCK, this.#holder);
    const own = this.#find(set, tag, key);
    const fullAt = own === NONE ? 0 : doubles[set * SET_DOUBLES + FULL_AT + own]!;
    releaseLock(ints, set * SET_INTS + LOCK);
    return tokensIn(this.#scale, fullAt, now);
  }

  /** Buckets that had to make room before they were full. */
  get evictedEarly(): number {
    const { sets, doubles } = this.#memory;
    let sum = 0;
    for (let set = 0; set < sets; set++) sum += doubles[set * SET_DOUBLES + EVICTED_EARLY]!;
    return sum;
  }

  /** Empties the set that a thread was changing when it died: its bucket there may be half another's. */
  threadDied(holder: number): void {
    const { sets, ints, doubles } = this.#memory;
    for (let set = 0; set < sets; set++) {
      const at = set * SET_INTS;
      if (!inheritLock(ints, at + LOCK, holder, this.#holder)) continue;
      ints.fill(NO_TAG, at, at + SET_BUCKETS);
      doubles.fill(0, set * SET_DOUBLES + FULL_AT, set * SET_DOUBLES + EVICTED_EARLY);
      releaseLock(ints, at + LOCK);
    }
  }

  #tagOf(key: Uint32Array): number {
    const hash = keyedHash(this.#memory.hashKey, key);
    return hash === NO_TAG ? 1 : hash;
  }

  /** By the upper bits of the tag, so that tags within a set differ in the others. */
  #setOf(tag: number): number {
    return Math.floor(((tag >>> 0) * this.#memory.sets) / 2 ** 32);
  }

  #find(set: number, tag: number, key: Uint32Array): number {
    const { ints } = this.#memory;
    const tags = set * SET_INTS;
    for (let bucket = 0; bucket < SET_BUCKETS; bucket++)
      if (ints[tags + bucket] === tag && this.#isOf(tags + KEYS + bucket * KEY_WORDS, key)) return bucket;
    return NONE;
  }

  #isOf(at: number, key: Uint32Array): boolean {
    const { ints } = this.#memory;
    return (
      ints[at + 3] === (key[3]! | 0) &&
      ints[at + 2] === (key[2]! | 0) &&
      ints[at + 1] === (key[1]! | 0) &&
      ints[at] === (key[0]! | 0)
    );
  }

  /** A place that nobody has is full since 0. */
  #nearestToFull(set: number): number {
    const { doubles } = this.#memory;
    const from = set * SET_DOUBLES + FULL_AT;
    let nearest = 0;
    for (let bucket = 1; bucket < SET_BUCKETS; bucket++)
      if (doubles[from + bucket]! < doubles[from + nearest]!) nearest = bucket;
    return nearest;
  }

  #evictFor(set: number, place: number, tag: number, key: Uint32Array, now: number): void {
    const { ints, doubles } = this.#memory;
    const from = set * SET_DOUBLES;
    if (doubles[from + FULL_AT + place]! > now) doubles[from + EVICTED_EARLY]!++;
    ints[set * SET_INTS + place] = tag;
    ints.set(key, set * SET_INTS + KEYS + place * KEY_WORDS);
  }
}
