import type { RouteTable } from '../routes.ts';
import type { Sys } from '../sys/sys.ts';
import { NO_DESCRIPTORS } from './errno.ts';
import { SocketAddress } from './socket-address.ts';
import { FLAG, type SocketTable } from './socket-table.ts';
import type { Spare } from './spare.ts';
import type { Tuning } from './tuning.ts';

export interface ConnectorOptions {
  readonly sys: Sys;
  readonly table: SocketTable;
  readonly spare: Spare;
  readonly tuning: Tuning;
}

/** By the number that the table of routes has for a mode of headers. */
const HEADER_FLAGS = [0, FLAG.TAKES_V1, FLAG.TAKES_V2] as const;

/** As numbers are given lowest first, one below this share of a ceiling says that the next is below the ceiling, too. */
const SAFE_SHARE = 0.75;

/** Begins to connect to backends. */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #endpoint: SocketAddress;
  #lastNumber = Infinity;

  constructor(options: ConnectorOptions) {
    this.#options = options;
    this.#endpoint = new SocketAddress(options.sys);
  }

  /** A new socket that connects to the backend in this row and is in the table of sockets, or why there is none. */
  open(routes: RouteTable, row: number): number {
    const { spare, tuning } = this.#options;
    const fd = this.#dial(routes, row, tuning.delaysAcks);
    const hasRoom = fd === NO_DESCRIPTORS && spare.spend();
    return this.#enlist(
      hasRoom ? this.#dial(routes, row, tuning.delaysAcks) : fd,
      HEADER_FLAGS[routes.headers[row]!]!,
    );
  }

  /** The same for nobody, with a number below `ceiling`; else `NO_DESCRIPTORS`, mostly before anything is opened. */
  openWarm(routes: RouteTable, row: number, ceiling: number): number {
    if (this.#lastNumber >= ceiling * SAFE_SHARE && this.#nextNumber() >= ceiling) return NO_DESCRIPTORS;
    // No data is there to carry the last segment of the handshake: the backend would not know of it.
    const number = this.#dial(routes, row, 0);
    if (number >= ceiling) {
      // Other threads have taken what was below it.
      this.#lastNumber = number;
      this.#options.sys.close(number);
      return NO_DESCRIPTORS;
    }
    return this.#enlist(number, FLAG.WARM);
  }

  /** A descriptor that stands for a connection which may not be opened yet, or why there is none. */
  hold(): number {
    return this.#enlist(this.#options.sys.eventfd(), FLAG.HELD);
  }

  /** Of the next descriptor, unless another thread takes it first. */
  #nextNumber(): number {
    const { sys } = this.#options;
    const fd = sys.eventfd();
    if (fd < 0) return Infinity;
    sys.close(fd);
    return fd;
  }

  #dial(routes: RouteTable, row: number, delaysAcks: 0 | 1): number {
    this.#endpoint.writeEndpoint(routes.endpoints, row);
    const { pointer, length, family } = this.#endpoint;
    return this.#options.sys.dial(family, pointer, length, delaysAcks);
  }

  #enlist(fd: number, flags: number): number {
    const { sys, table, tuning } = this.#options;
    if (fd < 0) return fd;
    this.#lastNumber = fd;
    if (!table.open(fd, FLAG.OPEN | FLAG.CONNECTING | flags)) {
      sys.close(fd);
      return NO_DESCRIPTORS;
    }
    if ((flags & FLAG.HELD) === 0) tuning.ofBackend(fd);
    return fd;
  }
}
