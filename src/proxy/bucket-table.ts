import { type BucketScale, NO_TOKEN, spendToken, tokensIn } from '../domain/token-bucket.ts';
import { type HashKey, keyedHash } from './keyed-hash.ts';
import { acquireLock, inheritLock, releaseLock } from './shared-lock.ts';

/** Buckets of a set. */
export const SET_BUCKETS = 15;

/*
 * A set is made of lines of the cache, four with keys of two words:
 *
 *     a line for each word of the keys   15 words; in the first line the lock of the set, too
 *     two lines                          15 instants at which a bucket is full, and how many were evicted before theirs
 */
const COLUMN = 16;
const LOCK = SET_BUCKETS;
const EVICTED_EARLY = SET_BUCKETS;
const INTS_PER_DOUBLE = 2;
const HASHES = 2 ** 32;

/** Plain shared memory: may be sent to a thread. */
export interface BucketTableMemory {
  readonly sets: number;
  readonly keyWords: number;
  readonly hashKey: HashKey;
  /** Two views of the same memory. */
  readonly ints: Int32Array<SharedArrayBuffer>;
  readonly doubles: Float64Array<SharedArrayBuffer>;
}

export interface BucketTableOptions {
  /** At least `SET_BUCKETS`; rounded down to a multiple of it. */
  readonly maxBuckets: number;
  readonly keyWords: number;
  /** A secret. */
  readonly hashKey: HashKey;
}

export function newBucketTableMemory(options: BucketTableOptions): BucketTableMemory {
  const { maxBuckets, keyWords, hashKey } = options;
  const sets = Math.floor(maxBuckets / SET_BUCKETS);
  const memory = new SharedArrayBuffer(sets * intsOfSet(keyWords) * Int32Array.BYTES_PER_ELEMENT);
  return { sets, keyWords, hashKey, ints: new Int32Array(memory), doubles: new Float64Array(memory) };
}

function intsOfSet(keyWords: number): number {
  return COLUMN * (keyWords + INTS_PER_DOUBLE);
}

/**
 * A token bucket for each key, for all threads, in memory of a fixed size.
 *
 * The key's hash says which set its bucket is in. A set has a lock of its own: two threads meet there only when their
 * clients do. A key that is not in its set has a full bucket, and takes the place of the bucket there that is full or
 * nearest to it: evicting a full one loses nothing, any other client gets as many tokens as its bucket lacked.
 */
export class BucketTable {
  readonly #scale: BucketScale;
  readonly #holder: number;
  readonly #setsPerHash: number;
  readonly #keyWords: number;
  readonly #setInts: number;
  readonly #hashKey: HashKey;
  readonly #ints: Int32Array<SharedArrayBuffer>;
  readonly #doubles: Float64Array<SharedArrayBuffer>;

  /** @param holder a number above 0 that is this thread's alone */
  constructor(memory: BucketTableMemory, scale: BucketScale, holder: number) {
    this.#scale = scale;
    this.#holder = holder;
    this.#setsPerHash = memory.sets / HASHES;
    this.#keyWords = memory.keyWords;
    this.#setInts = intsOfSet(memory.keyWords);
    this.#hashKey = memory.hashKey;
    this.#ints = memory.ints;
    this.#doubles = memory.doubles;
  }

  /** Takes a token out of the key's bucket; false when there is none. @param now in units of the scale */
  spend(key: Uint32Array, now: number): boolean {
    const doubles = this.#doubles;
    const set = this.#setOf(key);
    const fullAts = this.#fullAtsOf(set);
    acquireLock(this.#ints, set + LOCK, this.#holder);
    let place = this.#find(set, key);
    const isNew = place < 0;
    if (isNew) place = this.#nearestToFull(fullAts);
    const next = spendToken(this.#scale, isNew ? 0 : doubles[fullAts + place]!, now);
    if (next !== NO_TOKEN) {
      if (isNew) this.#evictFor(set, place, key, now);
      doubles[fullAts + place] = next;
    }
    releaseLock(this.#ints, set + LOCK);
    return next !== NO_TOKEN;
  }

  /** Whole tokens in the key's bucket. @param now in units of the scale */
  tokensOf(key: Uint32Array, now: number): number {
    const set = this.#setOf(key);
    acquireLock(this.#ints, set + LOCK, this.#holder);
    const place = this.#find(set, key);
    const fullAt = place < 0 ? 0 : this.#doubles[this.#fullAtsOf(set) + place]!;
    releaseLock(this.#ints, set + LOCK);
    return tokensIn(this.#scale, fullAt, now);
  }

  /** Buckets that had to make room before they were full. */
  get evictedEarly(): number {
    let sum = 0;
    for (let set = 0; set < this.#ints.length; set += this.#setInts)
      sum += this.#doubles[this.#fullAtsOf(set) + EVICTED_EARLY]!;
    return sum;
  }

  /** Fills the buckets of the set that a thread was changing when it died: one there may be half another's. */
  threadDied(holder: number): void {
    for (let set = 0; set < this.#ints.length; set += this.#setInts) {
      if (!inheritLock(this.#ints, set + LOCK, holder, this.#holder)) continue;
      const fullAts = this.#fullAtsOf(set);
      this.#doubles.fill(0, fullAts, fullAts + SET_BUCKETS);
      releaseLock(this.#ints, set + LOCK);
    }
  }

  /** Where the set of a key begins. */
  #setOf(key: Uint32Array): number {
    const hash = keyedHash(this.#hashKey, key, 0, this.#keyWords) >>> 0;
    return Math.floor(hash * this.#setsPerHash) * this.#setInts;
  }

  #fullAtsOf(set: number): number {
    return (set + this.#keyWords * COLUMN) >>> 1;
  }

  /** A place that nobody has yet is the full bucket of the key of zeros. */
  #find(set: number, key: Uint32Array): number {
    const ints = this.#ints;
    const first = key[0]! | 0;
    for (let place = 0; place < SET_BUCKETS; place++)
      if (ints[set + place] === first && this.#hasOtherWords(set + place, key)) return place;
    return -1;
  }

  #hasOtherWords(at: number, key: Uint32Array): boolean {
    for (let word = 1; word < this.#keyWords; word++)
      if (this.#ints[at + word * COLUMN] !== (key[word]! | 0)) return false;
    return true;
  }

  #nearestToFull(fullAts: number): number {
    const doubles = this.#doubles;
    let nearest = 0;
    for (let place = 1; place < SET_BUCKETS; place++)
      if (doubles[fullAts + place]! < doubles[fullAts + nearest]!) nearest = place;
    return nearest;
  }

  #evictFor(set: number, place: number, key: Uint32Array, now: number): void {
    const fullAts = this.#fullAtsOf(set);
    if (this.#doubles[fullAts + place]! > now) this.#doubles[fullAts + EVICTED_EARLY]!++;
    for (let word = 0; word < this.#keyWords; word++) this.#ints[set + word * COLUMN + place] = key[word]!;
  }
}
