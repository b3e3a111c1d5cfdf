import type { Counters } from '../counters.ts';
import type { IpAddress } from '../ip-address.ts';
import type { Router } from '../router.ts';
import { slotOfTenancy } from '../slot-table.ts';
import type { LoopClock } from './clock.ts';
import type { Announcements } from './announcements.ts';
import type { HeaderWriter } from './header-writer.ts';
import type { Relay } from './relay.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Tuning } from './tuning.ts';

export interface JoinerOptions {
  readonly table: SocketTable;
  readonly relay: Relay;
  readonly headerWriter: HeaderWriter;
  readonly announcements: Announcements;
  readonly router: Router;
  readonly counters: Counters;
  readonly clock: LoopClock;
  readonly tuning: Tuning;
}

const US_PER_SECOND = 1_000_000;

/** Joins a client and the connected backend that it got: from now on they are relayed to each other. */
export class Joiner {
  readonly #options: JoinerOptions;

  constructor(options: JoinerOptions) {
    this.#options = options;
  }

  /**
   * Both may be closed after that.
   *
   * @param address of the client
   * @param tookMicros for the connect
   */
  join(client: number, backend: number, address: IpAddress, tookMicros: number): void {
    const { table, router, counters, clock } = this.#options;
    const tenancy = table.get(backend, CELL.TENANCY);
    router.connected(address, tenancy, table.appOf(client));
    if (!table.has(backend, FLAG.REDIALLED))
      counters.connected(slotOfTenancy(tenancy), tookMicros / US_PER_SECOND);
    table.set(client, CELL.SINCE, clock.tick);
    table.beginTraffic(backend);
    table.unmark(backend, FLAG.CONNECTING);
    // It has had the time of the connect to send something.
    table.mark(client, FLAG.READABLE);
    this.#begin(client, backend);
  }

  #begin(client: number, backend: number): void {
    const { table, relay, headerWriter, announcements, tuning } = this.#options;
    // What it has said was for a connection that was dead.
    const hasSpoken = table.has(client, FLAG.BLOCKED);
    const isFromPool = table.has(backend, FLAG.UNUSED);
    const isWarm = isFromPool && !hasSpoken;
    if (isWarm) table.mark(client, FLAG.UNUSED);
    else if (isFromPool) table.unmark(backend, FLAG.UNUSED);
    const generation = table.get(backend, CELL.GENERATION);
    const isIntroduced = table.has(backend, FLAG.TAKES_V1 | FLAG.TAKES_V2);
    if (isIntroduced) headerWriter.begin(client, backend, announcements.of(client));
    // Should the one from the pool turn out dead, the next backend may want to know.
    if (!isWarm) announcements.forget(client);
    if (this.#hasLeft(backend, generation)) return;
    if (hasSpoken) relay.resend(client);
    else relay.pump(client);
    if (this.#hasLeft(backend, generation)) return;
    if (isIntroduced && !table.has(backend, FLAG.ASKED)) tuning.push(backend);
    // No data of the client carries the last segment of the handshake: a backend that speaks first waits for it.
    if (!isWarm && !table.has(backend, FLAG.ASKED)) tuning.acknowledge(backend);
    if (table.has(backend, FLAG.READABLE)) relay.pump(backend);
  }

  /** Whether the backend's side has been closed meanwhile. One that is back in the pool has nothing to be read. */
  #hasLeft(backend: number, generation: number): boolean {
    return this.#options.table.get(backend, CELL.GENERATION) !== generation;
  }
}
