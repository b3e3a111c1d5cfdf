import {
  type ConnectionPage,
  type ConnectionQuery,
  isAskedFor,
  type LiveConnection,
  LOOKS_PER_PAGE,
} from '../../domain/live-connections.ts';
import type { Announcement } from '../../domain/proxy-protocol/relayed-header.ts';
import type { ConnectionPhase } from '../connection-options.ts';
import type { Guest } from './guest.ts';
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

/** The clients that the portable engine has admitted, in the order in which they came. */
export class LiveList {
  readonly #live = new Map<Guest, Entry>();
  #serial = 0;

  get size(): number {
    return this.#live.size;
  }

  guests(): IterableIterator<Guest> {
    return this.#live.keys();
  }

  add(guest: Guest, known: Known): void {
    const sinceUnixSecs = Math.floor(Date.now() / 1000);
    this.#live.set(guest, { ...known, serial: ++this.#serial, sinceUnixSecs });
  }

  /** A client goes on as another guest. */
  replace(guest: Guest, next: Guest): void {
    this.#live.set(next, { ...this.#live.get(guest)!, serial: ++this.#serial });
    this.#live.delete(guest);
  }

  /** To be called now and then: ends what has taken too long. */
  check(nowMs: number): void {
    for (const guest of this.#live.keys()) guest.check(nowMs);
  }

  /** Has each counted anew, from where it is counted now. */
  count(countAnew: (guest: Guest, counted: number) => number): void {
    for (const [guest, entry] of this.#live) entry.counted = countAnew(guest, entry.counted);
  }

  /** Forgets it; returns where it was counted. */
  remove(guest: Guest): number {
    const counted = this.#live.get(guest)?.counted ?? 0;
    this.#live.delete(guest);
    return counted;
  }

  page(query: ConnectionQuery): ConnectionPage {
    const items: LiveConnection[] = [];
    const after = query.after === undefined ? 0 : serialOf(query.after);
    let looks = 0;
    let last = after;
    for (const [guest, entry] of this.#live) {
      const { serial } = entry;
      if (serial <= after) continue;
      if (items.length === query.limit || looks === LOOKS_PER_PAGE) return { items, next: String(last) };
      looks++;
      last = serial;
      const { address, place } = guest;
      const incarnation = place?.occupant.incarnation;
      if (isAskedFor({ client: address, incarnation }, query))
        items.push({ client: address.text, incarnation, ...stateOf(guest, entry) });
    }
    return { items, next: null };
  }
}

function stateOf(
  { phase, place }: Guest,
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
