import { AddressTable, type AddressTableMemory, newAddressTableMemory, NONE } from './address-table.ts';
import { sharedInts } from './shared-columns.ts';
import { SharedLock } from './shared-lock.ts';

/** How many connections each client has; all columns are by entry of `clients`. */
export interface ClientCountsMemory {
  readonly clients: AddressTableMemory;
  readonly counts: Int32Array<SharedArrayBuffer>;
  readonly lock: Int32Array<SharedArrayBuffer>;
}

/** @param maxClients that may be connected at one time */
export function newClientCountsMemory(maxClients: number): ClientCountsMemory {
  return {
    clients: newAddressTableMemory(maxClients),
    counts: sharedInts(maxClients),
    lock: sharedInts(1),
  };
}

/**
 * Milliseconds after which the holder of the lock must be dead. It is buried by the main thread, which may be the one
 * that waits.
 */
const PATIENCE = 1_000;

/** Counts the connections of each client, for all threads, exactly. */
export class ClientCounts {
  readonly #clients: AddressTable;
  readonly #counts: Int32Array;
  readonly #lock: SharedLock;

  /** @param holder a number above 0 that is this thread's alone */
  constructor({ clients, counts, lock }: ClientCountsMemory, holder: number) {
    this.#clients = new AddressTable(clients);
    this.#counts = counts;
    this.#lock = new SharedLock(lock, 0, holder);
  }

  /** Clients that have a connection. */
  get size(): number {
    return this.#clients.size;
  }

  /** Counts a connection, unless the client has so many already. */
  tryEnter(words: Uint32Array, most: number): boolean {
    this.#acquire();
    const entry = this.#clients.find(words);
    const count = entry === NONE ? 0 : this.#counts[entry]!;
    const mayEnter = count < most && (entry !== NONE || !this.#clients.isFull);
    if (mayEnter) this.#counts[entry === NONE ? this.#clients.add(words) : entry] = count + 1;
    this.#lock.release();
    return mayEnter;
  }

  /** A connection has ended. */
  leave(words: Uint32Array): void {
    this.#acquire();
    const entry = this.#clients.find(words);
    // Of a table that was emptied in between, see `threadDied`.
    if (entry !== NONE && --this.#counts[entry]! === 0) this.#clients.remove(entry);
    this.#lock.release();
  }

  /** Begins anew when a thread has died in the middle of a change: connections of then are not counted any more. */
  threadDied(holder: number): void {
    if (!this.#lock.inherit(holder)) return;
    this.#clients.clear();
    this.#lock.release();
  }

  #acquire(): void {
    if (!this.#lock.acquire(PATIENCE)) this.#clients.clear();
  }
}
