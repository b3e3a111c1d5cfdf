import {
  type ConnectionPage,
  type ConnectionQuery,
  isAskedFor,
  type LiveConnection,
  LOOKS_PER_PAGE,
} from '../../domain/live-connections.ts';
import type { Announcement } from '../../domain/proxy-protocol/relayed-header.ts';
import type { Connection } from '../connection.ts';
import type { ConnectionPhase } from '../connection-options.ts';
import type { Wire } from './wire.ts';

/** What is known of a connection beside itself. */
interface Known {
  readonly client: Wire;
  /** What a proxy has said of its client. */
  readonly announcement: Announcement | undefined;
  /** Where the limits of connections count it. */
  counted: number;
}

interface Entry extends Known {
  readonly serial: number;
  readonly sinceUnixSecs: number;
}

const STATES: Readonly<Record<ConnectionPhase, LiveConnection['state']>> = {
  dialling: 'connecting',
  waiting: 'waiting',
  relaying: 'connected',
  ending: 'connected',
};

/** The connections of the portable engine, in the order in which they came. */
export class LiveList {
  readonly #live = new Map<Connection, Entry>();
  #serial = 0;

  get size(): number {
    return this.#live.size;
  }

  connections(): IterableIterator<Connection> {
    return this.#live.keys();
  }

  add(connection: Connection, known: Known): void {
    const sinceUnixSecs = Math.floor(Date.now() / 1000);
    this.#live.set(connection, { ...known, serial: ++this.#serial, sinceUnixSecs });
  }

  /** To be called now and then: ends what has taken too long. */
  check(nowMs: number): void {
    for (const connection of this.#live.keys()) connection.check(nowMs);
  }

  /** Has each counted anew, from where it is counted now. */
  count(countAnew: (connection: Connection, counted: number) => number): void {
    for (const [connection, entry] of this.#live) entry.counted = countAnew(connection, entry.counted);
  }

  /** Forgets it; returns where it was counted. */
  remove(connection: Connection): number {
    const counted = this.#live.get(connection)?.counted ?? 0;
    this.#live.delete(connection);
    return counted;
  }

  page(query: ConnectionQuery): ConnectionPage {
    const items: LiveConnection[] = [];
    const after = query.after === undefined ? 0 : serialOf(query.after);
    let looks = 0;
    let last = after;
    for (const [connection, entry] of this.#live) {
      const { serial } = entry;
      if (serial <= after) continue;
      if (items.length === query.limit || looks === LOOKS_PER_PAGE) return { items, next: String(last) };
      looks++;
      last = serial;
      const about = { client: connection.address.text, incarnation: connection.place?.occupant.incarnation };
      if (isAskedFor(about, query)) items.push({ ...about, ...stateOf(connection, entry) });
    }
    return { items, next: null };
  }
}

function stateOf(
  { phase, place }: Connection,
  { client, announcement, sinceUnixSecs }: Entry,
): Omit<LiveConnection, 'client' | 'incarnation'> {
  return {
    clientPort: announcement?.endpoints?.sourcePort ?? client.ends()?.remotePort,
    state: STATES[phase],
    sinceUnixSecs,
    bytesSent: place?.bytesSent ?? 0,
    bytesReceived: place?.bytesReceived ?? 0,
  };
}

/** Of the last one of a page, as that has said; a text that none has said is the end. */
function serialOf(after: string): number {
  return /^\d{1,15}$/.test(after) ? Number(after) : Infinity;
}
