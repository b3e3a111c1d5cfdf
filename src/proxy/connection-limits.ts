import type { RefusalReason } from '../domain/outcome.ts';
import { ClientCounts, type ClientCountsMemory, newClientCountsMemory } from './client-counts.ts';
import { ClientKey } from './client-key.ts';
import type { ConnectionBounds } from './engine-numbers.ts';
import { Occupancy } from './occupancy.ts';
import { sharedInts } from './shared-columns.ts';

/** Clients that may be connected at one time, at most: the kernel's bound of a process's descriptors. */
const MOST_CLIENTS = 1_048_576;

/** What the threads share: plain data, may be sent to a thread. */
export interface ConnectionLimitsMemory {
  /** Bits of an IPv6 address that make a client, 1 to 128. */
  readonly ipv6Prefix: number;
  /** One cell. */
  readonly connections: Int32Array<SharedArrayBuffer>;
  readonly clients: ClientCountsMemory;
}

export function newConnectionLimitsMemory(ipv6Prefix: number): ConnectionLimitsMemory {
  return { ipv6Prefix, connections: sharedInts(1), clients: newClientCountsMemory(MOST_CLIENTS) };
}

/** Where a client is counted: these, added up. */
export const COUNTED = { IN_ALL: 1, OF_CLIENT: 2 } as const;

/** `enter` answers with one of these below zero. */
const REFUSALS = ['max_connections', 'max_connections_per_client'] as const satisfies RefusalReason[];
const TOO_MANY = -1;
const TOO_MANY_OF_CLIENT = -2;

/** Why `enter` has answered below zero. */
export function limitRefusalOf(code: number): RefusalReason {
  return REFUSALS[-1 - code]!;
}

/**
 * Bounds the connections of clients, all together and of each one, exactly over all threads.
 *
 * What is not bounded is not counted, and costs nothing. Whoever keeps clients keeps with each where it is counted, and
 * has those counted that are there when a bound comes.
 */
export class ConnectionLimits {
  readonly memory: ConnectionLimitsMemory;
  readonly #bounds: ConnectionBounds;
  readonly #connections: Occupancy;
  readonly #clients: ClientCounts;
  readonly #key: ClientKey;

  /**
   * @param bounds read anew each time
   * @param holder a number above 0 that is this thread's alone
   */
  constructor(memory: ConnectionLimitsMemory, bounds: ConnectionBounds, holder: number) {
    this.memory = memory;
    this.#bounds = bounds;
    this.#connections = new Occupancy(memory.connections);
    this.#clients = new ClientCounts(memory.clients, holder);
    this.#key = new ClientKey(memory.ipv6Prefix);
  }

  /** Counts a client: where, or below zero why it may not come in. @param words of its address */
  enter(words: Uint32Array): number {
    const { maxConnections, maxPerClient } = this.#bounds;
    if (maxConnections > 0 && !this.#connections.tryEnter(0, maxConnections)) return TOO_MANY;
    const inAll = maxConnections > 0 ? COUNTED.IN_ALL : 0;
    if (maxPerClient === 0) return inAll;
    if (this.#clients.tryEnter(this.#key.of(words), maxPerClient)) return inAll | COUNTED.OF_CLIENT;
    if (inAll !== 0) this.#connections.leave(0);
    return TOO_MANY_OF_CLIENT;
  }

  /** Counts a client that is in, wherever it has to be and is not yet, and whatever the bounds: where it is now. */
  count(words: Uint32Array, counted: number): number {
    const { maxConnections, maxPerClient } = this.#bounds;
    let now = counted;
    if (maxConnections > 0 && (now & COUNTED.IN_ALL) === 0) {
      this.#connections.tryEnter(0, 0);
      now |= COUNTED.IN_ALL;
    }
    const isMissing = maxPerClient > 0 && (now & COUNTED.OF_CLIENT) === 0;
    if (isMissing && this.#clients.tryEnter(this.#key.of(words), Infinity)) now |= COUNTED.OF_CLIENT;
    return now;
  }

  /** A client that is counted has gone. */
  leave(words: Uint32Array, counted: number): void {
    if ((counted & COUNTED.OF_CLIENT) !== 0) this.#clients.leave(this.#key.of(words));
    if ((counted & COUNTED.IN_ALL) !== 0) this.#connections.leave(0);
  }

  /** To be called by another thread when one has died, before its clients are counted out. */
  threadDied(holder: number): void {
    this.#clients.threadDied(holder);
  }
}
