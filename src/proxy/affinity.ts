import type { MonotonicClock } from '../domain/ports.ts';
import { AddressTable, type AddressTableMemory, newAddressTableMemory, NONE } from './address-table.ts';
import { EVERY_APP } from './apps.ts';
import type { IpAddress } from './ip-address.ts';
import { sharedInts, sharedNumbers } from './shared-columns.ts';
import { SharedLock } from './shared-lock.ts';

const DEFAULT_MAX_BINDINGS = 1_000_000;

/** Bindings in the order of last use. All columns are by entry of `clients`. */
export interface AffinityMemory {
  readonly clients: AddressTableMemory;
  readonly tenancies: Int32Array<SharedArrayBuffer>;
  readonly lastSeenMs: Float64Array<SharedArrayBuffer>;
  readonly older: Int32Array<SharedArrayBuffer>;
  readonly newer: Int32Array<SharedArrayBuffer>;
  readonly heads: Int32Array<SharedArrayBuffer>;
}

/** Cells of `AffinityMemory.heads`. */
const HEAD = { lock: 0, oldest: 1, newest: 2, count: 3 } as const;

export function newAffinityMemory(maxBindings = DEFAULT_MAX_BINDINGS): AffinityMemory {
  const heads = sharedInts(HEAD.count);
  heads.fill(NONE, HEAD.oldest);
  return {
    clients: newAddressTableMemory(maxBindings),
    tenancies: sharedInts(maxBindings),
    lastSeenMs: sharedNumbers(maxBindings),
    older: sharedInts(maxBindings),
    newer: sharedInts(maxBindings),
    heads,
  };
}

export interface AffinityOptions {
  /** How long a client stays bound after its last connection, read anew each time; 0 turns affinity off. */
  readonly binding: { readonly ttlMs: number };
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
  readonly #binding: { readonly ttlMs: number };
  readonly #now: MonotonicClock;
  readonly #clients: AddressTable;
  readonly #words = new Uint32Array(4);
  readonly #lock: SharedLock;

  constructor({ binding, now, memory = newAffinityMemory(), holder = 1 }: AffinityOptions) {
    this.memory = memory;
    this.#clients = new AddressTable(memory.clients);
    this.#binding = binding;
    this.#now = now;
    this.#lock = new SharedLock(memory.heads, HEAD.lock, holder);
  }

  get size(): number {
    return this.#clients.size;
  }

  /** The tenancy that the client of an app is bound to, or -1 when it is not, or not any more. */
  boundTo(client: IpAddress, app: number): number {
    if (this.#binding.ttlMs === 0) return NONE;
    const words = this.#wordsOf(client, app);
    this.#lock.acquire();
    const tenancy = this.#bindingOf(words);
    this.#lock.release();
    return tenancy;
  }

  /**
   * The same for the thread that buries others, and must not wait for one that may be dead: `undefined` when somebody is
   * in the way.
   */
  peek(client: IpAddress, app: number): number | undefined {
    if (this.#binding.ttlMs === 0) return NONE;
    if (!this.#lock.tryAcquire()) return undefined;
    const tenancy = this.#bindingOf(this.#wordsOf(client, app));
    this.#lock.release();
    return tenancy;
  }

  /** Binds the client of an app, or renews its binding; to be called when a connection has been established. */
  bind(client: IpAddress, tenancy: number, app: number): void {
    if (this.#binding.ttlMs === 0) return;
    const words = this.#wordsOf(client, app);
    this.#lock.acquire();
    let entry = this.#clients.find(words);
    if (entry === NONE) entry = this.#add(words);
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
    this.#clients.clear();
    this.memory.heads.fill(NONE, HEAD.oldest);
    this.#lock.release();
  }

  #bindingOf(words: Uint32Array): number {
    const entry = this.#clients.find(words);
    return entry === NONE || this.#isExpired(entry) ? NONE : this.memory.tenancies[entry]!;
  }

  /**
   * An address may have a binding for each app. Should two ever fall together, of IPv6 addresses that differ in the
   * same bits as apps do, they share one: whoever asks checks of whom a backend is.
   */
  #wordsOf({ words }: IpAddress, app: number): Uint32Array {
    if (app === EVERY_APP) return words;
    this.#words.set(words);
    this.#words[0]! ^= app;
    return this.#words;
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
    return this.#now() - this.memory.lastSeenMs[entry]! >= this.#binding.ttlMs;
  }

  #add(words: Uint32Array): number {
    if (this.#clients.isFull) this.#remove(this.memory.heads[HEAD.oldest]!);
    return this.#clients.add(words);
  }

  #remove(entry: number): void {
    this.#clients.remove(entry);
    this.#unlink(entry);
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
}
