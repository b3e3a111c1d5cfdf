import { type HashKey, keyedHash, newHashKey } from './keyed-hash.ts';
import { sharedInts } from './shared-columns.ts';

/** On average in a full table. */
const CHAIN_LENGTH = 4;

/** No entry. */
export const NONE = -1;

/** Entries in chains by the hash of an address. All columns are by entry but `chains`. */
export interface AddressTableMemory {
  readonly maxEntries: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  /** The next entry in the same chain, or in the list of free ones, plus one. */
  readonly next: Int32Array<SharedArrayBuffer>;
  /** By hash: the first entry plus one, so that fresh memory means none. */
  readonly chains: Int32Array<SharedArrayBuffer>;
  readonly heads: Int32Array<SharedArrayBuffer>;
  readonly hashKey: HashKey;
}

/** Cells of `AddressTableMemory.heads`; the first free entry plus one. */
const HEAD = { size: 0, unused: 1, free: 2, count: 3 } as const;

export function newAddressTableMemory(maxEntries: number): AddressTableMemory {
  const chains = 2 ** Math.ceil(Math.log2(Math.max(1, maxEntries / CHAIN_LENGTH)));
  return {
    maxEntries,
    words: sharedInts(maxEntries * 4),
    next: sharedInts(maxEntries),
    chains: sharedInts(chains),
    heads: sharedInts(HEAD.count),
    hashKey: newHashKey(),
  };
}

/**
 * Numbers for addresses, in shared memory of a fixed size: what is known of an address is kept in columns by its
 * entry. Whoever uses it holds a lock.
 */
export class AddressTable {
  readonly #memory: AddressTableMemory;

  constructor(memory: AddressTableMemory) {
    this.#memory = memory;
  }

  get size(): number {
    return Atomics.load(this.#memory.heads, HEAD.size);
  }

  get isFull(): boolean {
    const { heads, maxEntries } = this.#memory;
    return heads[HEAD.free] === 0 && heads[HEAD.unused] === maxEntries;
  }

  /** The entry of an address, or `NONE`. */
  find(words: Uint32Array): number {
    const { chains, next } = this.#memory;
    for (let entry = chains[this.#chainOf(words, 0)]! - 1; entry !== NONE; entry = next[entry]! - 1)
      if (this.#isOf(entry, words)) return entry;
    return NONE;
  }

  /** A new entry for an address that has none; not when the table is full. */
  add(words: Uint32Array): number {
    const { heads, chains, next } = this.#memory;
    let entry = heads[HEAD.free]! - 1;
    if (entry === NONE) entry = heads[HEAD.unused]!++;
    else heads[HEAD.free] = next[entry]!;
    this.#memory.words.set(words, entry * 4);
    const chain = this.#chainOf(words, 0);
    next[entry] = chains[chain]!;
    chains[chain] = entry + 1;
    heads[HEAD.size]!++;
    return entry;
  }

  remove(entry: number): void {
    const { heads, words, chains, next } = this.#memory;
    const chain = this.#chainOf(words, entry * 4);
    if (chains[chain] === entry + 1) chains[chain] = next[entry]!;
    else {
      let before = chains[chain]! - 1;
      while (next[before] !== entry + 1) before = next[before]! - 1;
      next[before] = next[entry]!;
    }
    next[entry] = heads[HEAD.free]!;
    heads[HEAD.free] = entry + 1;
    heads[HEAD.size]!--;
  }

  clear(): void {
    this.#memory.heads.fill(0);
    this.#memory.chains.fill(0);
  }

  #isOf(entry: number, words: Uint32Array): boolean {
    const own = this.#memory.words;
    const at = entry * 4;
    return (
      own[at + 3] === (words[3]! | 0) &&
      own[at + 2] === (words[2]! | 0) &&
      own[at + 1] === (words[1]! | 0) &&
      own[at] === (words[0]! | 0)
    );
  }

  #chainOf(words: Int32Array | Uint32Array, at: number): number {
    const { chains, hashKey } = this.#memory;
    return keyedHash(hashKey, words, at) & (chains.length - 1);
  }
}
