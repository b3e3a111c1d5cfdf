import type { RefusalReason } from '../domain/outcome.ts';
import { ClientCounts, type ClientCountsMemory, newClientCountsMemory } from './client-counts.ts';
import { ClientKey } from './client-key.ts';
import { Occupancy } from './occupancy.ts';
import { sharedInts } from './shared-columns.ts';

/** Clients that may be connected at one time, at most: the kernel's bound of a process's descriptors. */
const MOST_CLIENTS = 1_048_576;

/** 0 is no limit. */
export interface ConnectionLimitsConfig {
  /** Connections of clients at one time. */
  readonly maxConnections: number;
  /** Of one client. */
  readonly maxPerClient: number;
  /** Bits of an IPv6 address that make a client, 1 to 128. */
  readonly ipv6Prefix: number;
}

/** What the threads share: plain data, may be sent to a thread. */
export interface ConnectionLimitsMemory {
  readonly config: ConnectionLimitsConfig;
  /** One cell. */
  readonly connections: Int32Array<SharedArrayBuffer>;
  readonly clients: ClientCountsMemory;
}

export function newConnectionLimitsMemory(config: ConnectionLimitsConfig): ConnectionLimitsMemory {
  return { config, connections: sharedInts(1), clients: newClientCountsMemory(MOST_CLIENTS) };
}

/** Bounds the connections of clients, all together and of each one, exactly over all threads. */
export class ConnectionLimits {
  readonly memory: ConnectionLimitsMemory;
  readonly #connections: Occupancy;
  readonly #clients: ClientCounts;
  readonly #key: ClientKey;

  /** @param holder a number above 0 that is this thread's alone */
  constructor(memory: ConnectionLimitsMemory, holder: number) {
    this.memory = memory;
    this.#connections = new Occupancy(memory.connections);
    this.#clients = new ClientCounts(memory.clients, holder);
    this.#key = new ClientKey(memory.config.ipv6Prefix);
  }

  /** Counts a client, or says why it may not come in. @param words of its address */
  enter(
    words: Uint32Array,
  ): Extract<RefusalReason, 'max_connections' | 'max_connections_per_client'> | undefined {
    const { maxConnections, maxPerClient } = this.memory.config;
    if (!this.#connections.tryEnter(0, maxConnections)) return 'max_connections';
    if (maxPerClient === 0 || this.#clients.tryEnter(this.#key.of(words), maxPerClient)) return undefined;
    this.#connections.leave(0);
    return 'max_connections_per_client';
  }

  /** A client that was let in has gone. */
  leave(words: Uint32Array): void {
    if (this.memory.config.maxPerClient > 0) this.#clients.leave(this.#key.of(words));
    this.#connections.leave(0);
  }

  /** To be called by another thread when one has died, before its clients are counted out. */
  threadDied(holder: number): void {
    this.#clients.threadDied(holder);
  }
}
