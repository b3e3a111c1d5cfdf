import type { Sys } from '../sys/sys.ts';
import { FLAG, type SocketTable } from './socket-table.ts';

const NONE = -1;

/**
 * A descriptor held back for the backend's side of a client: without it the last descriptor would go to a client who
 * could only be turned away, and so would all who wait behind.
 */
export class Spare {
  readonly #sys: Sys;
  readonly #table: SocketTable;
  #fd = NONE;

  constructor(sys: Sys, table: SocketTable) {
    this.#sys = sys;
    this.#table = table;
  }

  /** Makes room for one descriptor; false when there is none to give. */
  spend(): boolean {
    if (this.#fd === NONE) return false;
    this.#table.forget(this.#fd);
    this.#sys.close(this.#fd);
    this.#fd = NONE;
    return true;
  }

  /** Holds the lowest number back that is free, and returns it; below zero when there is none left. */
  renew(): number {
    this.spend();
    const result = this.restore();
    return result < 0 ? result : this.#fd;
  }

  /** Holds one back if none is; below zero when there is none left. */
  restore(): number {
    if (this.#fd !== NONE) return 0;
    const fd = this.#sys.eventfd();
    if (fd < 0) return fd;
    if (this.#table.open(fd, FLAG.HELPER)) this.#fd = fd;
    else this.#sys.close(fd);
    return 0;
  }
}
