import { NO_TOKEN, rescaleBucket, spendToken, tokensIn } from '../domain/token-bucket.ts';
import { type HashKey, keyedHash } from './keyed-hash.ts';
import { acquireLock, inheritLock, releaseLock } from './shared-lock.ts';
import type { SharedRateLimit } from './shared-rate-limit.ts';

/** Buckets of a set. */
export const SET_BUCKETS = 15;

/*
 * A set is 16 slots of a key and a number, four lines of the cache with keys of two words: what a check needs of a bucket
 * is in one of them.
 *
 *     slot 0        the lock of the set, the limit that it goes by, and how many buckets were evicted before they were full
 *     slot 1 - 15   the key of a bucket, and the instant at which it is full
 */
const SLOTS = SET_BUCKETS + 1;
const LOCK = 0;
const GENERATION = 1;
const INTS_PER_DOUBLE = 2;
const HASHES = 2 ** 32;
/** Milliseconds after which a lock is taken from its holder: a thread that nobody has said to be dead. */
const PATIENCE = 1_000;

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
  /** 2 or 4. */
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
  return SLOTS * (keyWords + INTS_PER_DOUBLE);
}

/**
 * A token bucket for each key, for all threads, in memory of a fixed size.
 *
 * The key's hash says which set its bucket is in. A set has a lock of its own: two threads meet there only when their
 * clients do. A key that is not in its set has a full bucket, and takes the place of the bucket there that is full or
 * nearest to it: evicting a full one loses nothing, any other client gets as many tokens as its bucket lacked.
 */
export class BucketTable {
  readonly #limit: SharedRateLimit;
  readonly #holder: number;
  readonly #setsPerHash: number;
  readonly #keyWords: number;
  readonly #slotInts: number;
  readonly #setInts: number;
  readonly #hashKey: HashKey;
  readonly #ints: Int32Array<SharedArrayBuffer>;
  readonly #doubles: Float64Array<SharedArrayBuffer>;

  /** @param holder a number above 0 that is this thread's alone */
  constructor(memory: BucketTableMemory, limit: SharedRateLimit, holder: number) {
    this.#limit = limit;
    this.#holder = holder;
    this.#setsPerHash = memory.sets / HASHES;
    this.#keyWords = memory.keyWords;
    this.#slotInts = memory.keyWords + INTS_PER_DOUBLE;
    this.#setInts = intsOfSet(memory.keyWords);
    this.#hashKey = memory.hashKey;
    this.#ints = memory.ints;
    this.#doubles = memory.doubles;
  }

  /** Takes a token out of the key's bucket; false when there is none. @param nowUs in microseconds */
  spend(key: Uint32Array, nowUs: number): boolean {
    const set = this.#setOf(key);
    this.#acquire(set, nowUs);
    const { scale } = this.#limit;
    const now = nowUs * scale.unitsPerUs;
    let slot = this.#find(set, key);
    const isNew = slot < 0;
    if (isNew) slot = this.#nearestToFull(set);
    const cell = this.#fullAtOf(slot);
    const next = spendToken(scale, isNew ? 0 : this.#doubles[cell]!, now);
    if (next !== NO_TOKEN) {
      if (isNew) this.#evictFor(key, set, slot, now);
      this.#doubles[cell] = next;
    }
    releaseLock(this.#ints, set + LOCK);
    return next !== NO_TOKEN;
  }

  /** Whole tokens in the key's bucket. @param nowUs in microseconds */
  tokensOf(key: Uint32Array, nowUs: number): number {
    const set = this.#setOf(key);
    this.#acquire(set, nowUs);
    const { scale } = this.#limit;
    const slot = this.#find(set, key);
    const fullAt = slot < 0 ? 0 : this.#doubles[this.#fullAtOf(slot)]!;
    releaseLock(this.#ints, set + LOCK);
    return tokensIn(scale, fullAt, nowUs * scale.unitsPerUs);
  }

  /** Buckets that had to make room before they were full. */
  get evictedEarly(): number {
    let sum = 0;
    for (let set = 0; set < this.#ints.length; set += this.#setInts)
      sum += this.#doubles[this.#fullAtOf(set)]!;
    return sum;
  }

  /**
   * Has every bucket go by the limit in force; threads that come to one before that do it themselves, and hear of the
   * limit by those that do. To be called after each change, but for those before the limit has ever counted.
   */
  rescale(nowUs: number): void {
    for (let set = 0; set < this.#ints.length; set += this.#setInts) {
      this.#acquire(set, nowUs);
      releaseLock(this.#ints, set + LOCK);
    }
  }

  /** Fills the buckets of the set that a thread was changing when it died: one there may be half another's. */
  threadDied(holder: number): void {
    for (let set = 0; set < this.#ints.length; set += this.#setInts) {
      if (!inheritLock(this.#ints, set + LOCK, holder, this.#holder)) continue;
      for (let slot = set + this.#slotInts; slot < set + this.#setInts; slot += this.#slotInts)
        this.#doubles[this.#fullAtOf(slot)] = 0;
      releaseLock(this.#ints, set + LOCK);
    }
  }

  /** Takes the lock of a set, whose buckets go by the limit that this thread knows from then on. */
  #acquire(set: number, nowUs: number): void {
    acquireLock(this.#ints, set + LOCK, this.#holder, PATIENCE);
    if (this.#ints[set + GENERATION] !== this.#limit.generation) this.#catchUp(set, nowUs);
  }

  #catchUp(set: number, nowUs: number): void {
    const limit = this.#limit;
    // Another thread has changed the set, so there is a limit that this one has not heard of.
    if (this.#ints[set + GENERATION]! > limit.generation) limit.follow();
    if (this.#ints[set + GENERATION] === limit.generation) return;
    const doubles = this.#doubles;
    for (let slot = set + this.#slotInts; slot < set + this.#setInts; slot += this.#slotInts) {
      const cell = this.#fullAtOf(slot);
      doubles[cell] = rescaleBucket(limit.scaleBefore, limit.scale, doubles[cell]!, nowUs);
    }
    this.#ints[set + GENERATION] = limit.generation;
  }

  /** Where the set of a key begins. */
  #setOf(key: Uint32Array): number {
    const hash = keyedHash(this.#hashKey, key, 0, this.#keyWords) >>> 0;
    return Math.floor(hash * this.#setsPerHash) * this.#setInts;
  }

  /** The number of the slot that begins there. */
  #fullAtOf(slot: number): number {
    return (slot + this.#keyWords) >>> 1;
  }

  /** Where the slot of a key begins, or -1. A slot that nobody has yet is the full bucket of the key of zeros. */
  #find(set: number, key: Uint32Array): number {
    const ints = this.#ints;
    const slotInts = this.#slotInts;
    const end = set + this.#setInts;
    const first = key[0]! | 0;
    for (let slot = set + slotInts; slot < end; slot += slotInts)
      if (ints[slot] === first && this.#hasOtherWords(slot, key)) return slot;
    return -1;
  }

  #hasOtherWords(slot: number, key: Uint32Array): boolean {
    for (let word = 1; word < this.#keyWords; word++)
      if (this.#ints[slot + word] !== (key[word]! | 0)) return false;
    return true;
  }

  #nearestToFull(set: number): number {
    const doubles = this.#doubles;
    const slotInts = this.#slotInts;
    const end = set + this.#setInts;
    let nearest = set + slotInts;
    for (let slot = nearest + slotInts; slot < end; slot += slotInts)
      if (doubles[this.#fullAtOf(slot)]! < doubles[this.#fullAtOf(nearest)]!) nearest = slot;
    return nearest;
  }

  #evictFor(key: Uint32Array, set: number, slot: number, now: number): void {
    if (this.#doubles[this.#fullAtOf(slot)]! > now) this.#doubles[this.#fullAtOf(set)]!++;
    for (let word = 0; word < this.#keyWords; word++) this.#ints[slot + word] = key[word]!;
  }
}
