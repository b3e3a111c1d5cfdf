import type { Announcement } from '../../domain/proxy-protocol/relayed-header.ts';
import { FLAG, type SocketTable } from './socket-table.ts';

/** What proxies have announced of clients, until a backend needs to be told no more. */
export class Announcements {
  readonly #table: SocketTable;
  /** By the client's descriptor, of those that have the flag `ANNOUNCED`. */
  readonly #announced = new Map<number, Announcement>();

  constructor(table: SocketTable) {
    this.#table = table;
  }

  note(client: number, announcement: Announcement): void {
    this.#announced.set(client, announcement);
    this.#table.mark(client, FLAG.ANNOUNCED);
  }

  of(client: number): Announcement | undefined {
    return this.#table.has(client, FLAG.ANNOUNCED) ? this.#announced.get(client) : undefined;
  }

  /** To be called before the client is closed, at the latest. */
  forget(client: number): void {
    if (!this.#table.has(client, FLAG.ANNOUNCED)) return;
    this.#table.unmark(client, FLAG.ANNOUNCED);
    this.#announced.delete(client);
  }
}
