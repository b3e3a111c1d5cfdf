import type { Announcement } from '../../domain/proxy-protocol/relayed-header.ts';
import { BY_SERVER_NAME } from '../apps.ts';
import { type ConnectionLimits, limitRefusalOf } from '../connection-limits.ts';
import type { Counters } from '../counters.ts';
import { IpAddress } from '../ip-address.ts';
import type { RateLimiter } from '../rate-limiter.ts';
import type { Announcements } from './announcements.ts';
import type { LoopClock } from './clock.ts';
import type { Dialer } from './dialer.ts';
import type { HeaderReader } from './header-reader.ts';
import type { HelloReader } from './hello-reader.ts';
import type { SocketAddress } from './socket-address.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Sockets } from './sockets.ts';
import type { Waiters } from './waiters.ts';

export interface AdmissionOptions {
  readonly table: SocketTable;
  readonly sockets: Sockets;
  readonly clock: LoopClock;
  readonly dialer: Dialer;
  readonly counters: Counters;
  readonly announcements: Announcements;
  readonly headers: HeaderReader;
  readonly hellos: HelloReader;
  readonly limiter: RateLimiter;
  readonly limits: ConnectionLimits;
  readonly waiters: Waiters;
}

/**
 * Decides whether a client is let in, and when it is its turn.
 *
 *     accepted ──────────────────► who it is, is known ─► limits ─► its app is known ─► a place ─► dialled
 *        └─ header awaited ─ announced ─┘                   │ └─ greeting awaited ─┘       └─ waits ─┘
 *                                                           └─► refused
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #address = new IpAddress();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Takes a client over that has just been accepted. @param app whose backends it is given */
  accepted(client: number, from: SocketAddress, app: number): void {
    const { table, sockets, dialer, headers, clock } = this.#options;
    from.readInto(this.#address);
    if (!sockets.openClient(client)) return dialer.refuse(client, 'local_error');
    table.setAddress(client, this.#address.words);
    table.setOrigin(client, from.port, app);
    table.set(client, CELL.ACCEPTED_SECS, clock.unixSecs);
    if (headers.trusts(this.#address)) headers.await(client);
    else this.#admit(client);
  }

  /** Takes a client over that a trusted proxy has announced; its address is in its row. */
  announced(client: number, announcement: Announcement | undefined): void {
    const { table, announcements } = this.#options;
    if (announcement !== undefined) announcements.note(client, announcement);
    table.readAddress(client, this.#address);
    this.#admit(client);
  }

  /** A client that has been let in, and whose app is known, looks for a place, or waits for one behind those who do. */
  enter(client: number): void {
    const { table, dialer, waiters } = this.#options;
    if (waiters.mustWait(table.appOf(client)) || !dialer.find(client)) this.#wait(client);
  }

  /** It is the turn of a client that waits; false when there is no place after all. */
  takeTurn(client: number): boolean {
    const { dialer, waiters } = this.#options;
    return dialer.find(client, (found) => waiters.remove(found));
  }

  /** Who the client is, is known now, and is in `#address`. */
  #admit(client: number): void {
    const { table, dialer, limiter, limits, hellos } = this.#options;
    const { words } = this.#address;
    if (!limiter.admit(words)) return dialer.refuse(client, 'rate_limited');
    const counted = limits.enter(words);
    if (counted < 0) return dialer.refuse(client, limitRefusalOf(counted));
    table.setCounted(client, counted);
    if (table.appOf(client) === BY_SERVER_NAME) hellos.await(client);
    else this.enter(client);
  }

  /** Has clients counted that came when they did not have to be: the limits have changed. */
  count(): void {
    const { table, limits } = this.#options;
    for (const client of table.having(FLAG.OPEN)) {
      if (!table.has(client, FLAG.CLIENT | FLAG.WAITS | FLAG.AWAITS_HELLO)) continue;
      table.readAddress(client, this.#address);
      table.setCounted(client, limits.count(this.#address.words, table.countedOf(client)));
    }
  }

  #wait(client: number): void {
    const { dialer, waiters, counters } = this.#options;
    const refusal = waiters.add(client);
    if (refusal === undefined) counters.clientQueued();
    else dialer.refuse(client, refusal);
  }
}
