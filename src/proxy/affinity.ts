import type { MonotonicClock } from '../domain/ports.ts';
import type { IpAddress } from './ip-address.ts';
import { type HashKey, keyedHash, newHashKey } from './keyed-hash.ts';
import { sharedInts, sharedNumbers } from './shared-columns.ts';
import { SharedLock } from './shared-lock.ts';

const DEFAULT_MAX_BINDINGS = 1_000_000;
/** On average in a full table. */
const CHAIN_LENGTH = 4;
const NONE = -1;

/** Bindings in the order of last use, entries in chains by hash. All columns are by entry but `chains`. */
export interface AffinityMemory {
  readonly maxBindings: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly tenancies: Int32Array<SharedArrayBuffer>;
  readonly lastSeenMs: Float64Array<SharedArrayBuffer>;
  /** The next entry in the same chain, or in the list of free ones. */
  readonly next: Int32Array<SharedArrayBuffer>;
  readonly older: Int32Array<SharedArrayBuffer>;
  readonly newer: Int32Array<SharedArrayBuffer>;
  /** By hash: the first entry plus one, so that fresh memory means none. */
  readonly chains: Int32Array<SharedArrayBuffer>;
  readonly heads: Int32Array<SharedArrayBuffer>;
  readonly hashKey: HashKey;
}

/** Cells of `AffinityMemory.heads`. */
const HEAD = { lock: 0, size: 1, unused: 2, free: 3, oldest: 4, newest: 5, count: 6 } as const;

export function newAffinityMemory(maxBindings = DEFAULT_MAX_BINDINGS): AffinityMemory {
  const chains = 2 ** Math.ceil(Math.log2(Math.max(1, maxBindings / CHAIN_LENGTH)));
  const heads = sharedInts(HEAD.count);
  heads.fill(NONE, HEAD.free);
  return {
    maxBindings,
    words: sharedInts(maxBindings * 4),
    tenancies: sharedInts(maxBindings),
    lastSeenMs: sharedNumbers(maxBindings),
    next: sharedInts(maxBindings),
    older: sharedInts(maxBindings),
    newer: sharedInts(maxBindings),
    chains: sharedInts(chains),
    heads,
    hashKey: newHashKey(),
  };
}

export interface AffinityOptions {
  /** How long a client stays bound after its last connection; 0 turns affinity off. */
  readonly ttlMs: number;
  /** The same clock in every thread. */
  readonly now: MonotonicClock;
  readonly memory?: AffinityMemory;
  /** A number above 0 that is this thread's alone; default 1. */
  readonly holder?: number;
}

/**
 * Remembers which backend served a client address last, for a while, for all threads.
 *
 * A binding is a preference: whoever asks still checks that the backend is eligible and has room. The table is of
 * fixed size; when it is full, the binding that was idle longest goes first.
 */
export class Affinity {
  readonly memory: AffinityMemory;
  readonly #ttlMs: number;
  readonly #now: MonotonicClock;
  readonly #lock: SharedLock;

  constructor({ ttlMs, now, memory = newAffinityMemory(), holder = 1 }: AffinityOptions) {
    this.memory = memory;
    this.#ttlMs = ttlMs;
    this.#now = now;
    this.#lock = new SharedLock(memory.heads, HEAD.lock, holder);
  }

  get size(): number {
    return Atomics.load(this.memory.heads, HEAD.size);
  }

  /** The tenancy that the client is bound to, or -1 when it is not, or not any more. */
  boundTo(client: IpAddress): number {
    if (this.#ttlMs === 0) return NONE;
    this.#lock.acquire();
    const entry = this.#find(client.words);
    const tenancy = entry === NONE || this.#isExpired(entry) ? NONE : this.memory.tenancies[entry]!;
    this.#lock.release();
    return tenancy;
  }

  /** Binds the client, or renews its binding; to be called when a connection has been established. */
  bind(client: IpAddress, tenancy: number): void {
    if (this.#ttlMs === 0) return;
    this.#lock.acquire();
    let entry = this.#find(client.words);
    if (entry === NONE) entry = this.#add(client.words);
    else this.#unlink(entry);
    this.#link(entry);
    this.memory.tenancies[entry] = tenancy;
    this.memory.lastSeenMs[entry] = this.#now();
    this.#lock.release();
  }

  /**
   * Removes what has expired; returns how many bindings that were. Goes on another time when a thread is in the way:
   * one that has died with the lock is buried by the thread that calls this.
   */
  collectGarbage(): number {
    let removed = 0;
    // Entry by entry, so that no thread waits for more than one.
    while (this.#removeOldestIfExpired()) removed++;
    return removed;
  }

  /** Empties the table when a thread has died in the middle of a change: its lists may lead anywhere. */
  threadDied(holder: number): void {
    if (!this.#lock.inherit(holder)) return;
    const { heads, chains } = this.memory;
    heads.fill(0, HEAD.size, HEAD.free);
    heads.fill(NONE, HEAD.free);
    chains.fill(0);
    this.#lock.release();
  }

  #removeOldestIfExpired(): boolean {
    if (!this.#lock.tryAcquire()) return false;
    const oldest = this.memory.heads[HEAD.oldest]!;
    const isExpired = oldest !== NONE && this.#isExpired(oldest);
    if (isExpired) this.#remove(oldest);
    this.#lock.release();
    return isExpired;
  }

  #isExpired(entry: number): boolean {
    return this.#now() - this.memory.lastSeenMs[entry]! >= this.#ttlMs;
  }

  #find(words: Uint32Array): number {
    const { chains, next } = this.memory;
    for (let entry = chains[this.#chainOf(words, 0)]! - 1; entry !== NONE; entry = next[entry]! - 1)
      if (this.#isOf(entry, words)) return entry;
    return NONE;
  }

  #isOf(entry: number, words: Uint32Array): boolean {
    const own = this.memory.words;
    const at = entry * 4;
    return (
      own[at + 3] === (words[3]! | 0) &&
      own[at + 2] === (words[2]! | 0) &&
      own[at + 1] === (words[1]! | 0) &&
      own[at] === (words[0]! | 0)
    );
  }

  #add(words: Uint32Array): number {
    const { heads, maxBindings, chains, next } = this.memory;
    if (heads[HEAD.free] === NONE && heads[HEAD.unused] === maxBindings) this.#remove(heads[HEAD.oldest]!);
    let entry = heads[HEAD.free]!;
    if (entry === NONE) entry = heads[HEAD.unused]!++;
    else heads[HEAD.free] = next[entry]! - 1;
    this.memory.words.set(words, entry * 4);
    const chain = this.#chainOf(words, 0);
    next[entry] = chains[chain]!;
    chains[chain] = entry + 1;
    heads[HEAD.size]!++;
    return entry;
  }

  #remove(entry: number): void {
    const { heads, words, chains, next } = this.memory;
    const chain = this.#chainOf(words, entry * 4);
    if (chains[chain] === entry + 1) chains[chain] = next[entry]!;
    else {
      let before = chains[chain]! - 1;
      while (next[before] !== entry + 1) before = next[before]! - 1;
      next[before] = next[entry]!;
    }
    this.#unlink(entry);
    next[entry] = heads[HEAD.free]! + 1;
    heads[HEAD.free] = entry;
    heads[HEAD.size]!--;
  }

  #link(entry: number): void {
    const { heads, older, newer } = this.memory;
    const newest = heads[HEAD.newest]!;
    older[entry] = newest;
    newer[entry] = NONE;
    if (newest === NONE) heads[HEAD.oldest] = entry;
    else newer[newest] = entry;
    heads[HEAD.newest] = entry;
  }

  #unlink(entry: number): void {
    const { heads, older, newer } = this.memory;
    if (older[entry] === NONE) heads[HEAD.oldest] = newer[entry]!;
    else newer[older[entry]!] = newer[entry]!;
    if (newer[entry] === NONE) heads[HEAD.newest] = older[entry]!;
    else older[newer[entry]!] = older[entry]!;
  }

  #chainOf(words: Int32Array | Uint32Array, at: number): number {
    const { chains, hashKey } = this.memory;
    return keyedHash(hashKey, words, at) & (chains.length - 1);
  }
}
