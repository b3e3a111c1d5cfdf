import { LONGEST_HEADER_BYTES } from '../../domain/proxy-protocol/parse-header.ts';
import { type Announcement, relayedHeader } from '../../domain/proxy-protocol/relayed-header.ts';
import type { Counters } from '../counters.ts';
import { IpAddress } from '../ip-address.ts';
import { slotOfTenancy } from '../slot-table.ts';
import { MSG_MORE } from '../sys/constants.ts';
import type { Pointer, Sys } from '../sys/sys.ts';
import { AGAIN } from './errno.ts';
import type { Parking } from './parking.ts';
import type { Relay } from './relay.ts';
import { SocketAddress } from './socket-address.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Sockets } from './sockets.ts';

/** The longest vectors that may have come, behind the longest addresses, which may be others than came with them. */
const BUFFER_BYTES = LONGEST_HEADER_BYTES + 64;

export interface HeaderWriterOptions {
  readonly sys: Sys;
  readonly table: SocketTable;
  readonly sockets: Sockets;
  readonly parking: Parking;
  readonly relay: Relay;
  readonly counters: Counters;
}

/**
 * Begins the connections of backends that want it with a PROXY header.
 *
 * It waits in the kernel for the first bytes of the client, to leave with them as one segment; when there are none
 * yet, it has to be pushed. What the kernel does not take is parked ahead of the client's bytes. Counts as sent.
 */
export class HeaderWriter {
  readonly #options: HeaderWriterOptions;
  readonly #memory = new ArrayBuffer(BUFFER_BYTES);
  readonly #bytes = new Uint8Array(this.#memory);
  readonly #buffer: Pointer;
  readonly #address = new IpAddress();
  readonly #local: SocketAddress;

  constructor(options: HeaderWriterOptions) {
    this.#options = options;
    this.#buffer = options.sys.addressOf(this.#memory);
    this.#local = new SocketAddress(options.sys);
  }

  /** Before anything else goes to a backend that has just answered. It may be closed after that. */
  begin(client: number, backend: number, announcement: Announcement | undefined): void {
    const { sys, table, sockets, parking, relay, counters } = this.#options;
    const mode = table.has(backend, FLAG.TAKES_V1) ? 'v1' : 'v2';
    const header = relayedHeader(mode, announcement, () => this.#endpointsOf(client));
    this.#bytes.set(header);
    const sent = sys.send(backend, this.#buffer, 0, header.length, MSG_MORE);
    if (sent > 0) {
      counters.sent(slotOfTenancy(table.get(client, CELL.TENANCY)), sent);
      table.countSent(backend, sent);
    }
    if (sent === header.length) return;
    if (sent < 0 && sent !== AGAIN) {
      relay.errored(backend);
      return relay.pump(backend);
    }
    table.set(client, CELL.PARKED, parking.park(header.subarray(Math.max(0, sent))) + 1);
    table.mark(client, FLAG.BLOCKED);
    sockets.awaitRoom(backend);
  }

  #endpointsOf(client: number) {
    const { sys, table } = this.#options;
    table.readAddress(client, this.#address);
    const source = this.#address.words.slice();
    // What it knows of a socket that is open, the kernel tells.
    sys.getSocketName(client, this.#local.pointer);
    this.#local.readInto(this.#address);
    return {
      source,
      sourcePort: table.portOf(client),
      destination: this.#address.words.slice(),
      destinationPort: this.#local.port,
    };
  }
}
