import {
  type ConnectionPage,
  type ConnectionQuery,
  isAskedFor,
  type LiveConnection,
  LOOKS_PER_PAGE,
} from '../../domain/live-connections.ts';
import type { Announcement } from '../../domain/proxy-protocol/relayed-header.ts';
import type { Apps } from '../apps.ts';
import type { ConnectionLimits } from '../connection-limits.ts';
import type { ConnectionPhase } from '../connection-options.ts';
import type { LiveLedger } from './live-ledger.ts';
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

/** The connections of the portable engine, in the order in which they came. */
export class LiveList {
  readonly #limits: ConnectionLimits;
  readonly #ledger: LiveLedger | undefined;
  readonly #live = new Map<Guest, Entry>();
  #serial = 0;

  /** @param ledger for an engine that may die before the process does */
  constructor(limits: ConnectionLimits, ledger: LiveLedger | undefined) {
    this.#limits = limits;
    this.#ledger = ledger;
  }

  get size(): number {
    return this.#live.size;
  }

  get all(): readonly Guest[] {
    return [...this.#live.keys()];
  }

  add(guest: Guest, known: Known): void {
    const sinceUnixSecs = Math.floor(Date.now() / 1000);
    this.#live.set(guest, { ...known, serial: ++this.#serial, sinceUnixSecs });
    this.#ledger?.add(guest, { ...known, sinceUnixSecs, port: portOf(known) }, STATES[guest.phase]);
  }

  /** A client goes on as another guest, from now on at the end of the list. */
  replace(guest: Guest, next: Guest, client: Wire): void {
    const { counted, announcement, sinceUnixSecs } = this.#live.get(guest)!;
    this.#live.delete(guest);
    this.#live.set(next, { client, counted, announcement, sinceUnixSecs, serial: ++this.#serial });
    this.#ledger?.replace(guest, next);
  }

  /** To be called now and then: ends what has taken too long. */
  check(nowMs: number): void {
    for (const guest of this.#live.keys()) {
      guest.check(nowMs);
      if (this.#live.has(guest)) this.#ledger?.show(guest, STATES[guest.phase]);
    }
  }

  /** The limits have changed. */
  recount(): void {
    for (const [guest, entry] of this.#live) {
      entry.counted = this.#limits.count(guest.address.words, entry.counted);
      this.#ledger?.count(guest, entry.counted);
    }
  }

  leaveBackend(incarnation: string): void {
    for (const guest of this.#live.keys())
      if (guest.place?.occupant.incarnation === incarnation) guest.leaveBackend();
  }

  ended(guest: Guest): void {
    this.#limits.leave(guest.address.words, this.#live.get(guest)?.counted ?? 0);
    this.#forget(guest);
  }

  #forget(guest: Guest): void {
    this.#live.delete(guest);
    this.#ledger?.remove(guest);
  }

  page(query: ConnectionQuery, apps: Apps): ConnectionPage {
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
      const { address, place, app } = guest;
      const incarnation = place?.occupant.incarnation;
      if (isAskedFor({ client: address, incarnation }, query))
        items.push({ client: address.text, incarnation, app: apps.nameOf(app), ...stateOf(guest, entry) });
    }
    return { items, next: null };
  }
}

function stateOf(
  { phase, place }: Guest,
  { client, announcement, sinceUnixSecs }: Entry,
): Omit<LiveConnection, 'client' | 'incarnation' | 'app'> {
  return {
    clientPort: portOf({ client, announcement }),
    state: STATES[phase],
    sinceUnixSecs,
    bytesSent: place?.bytesSent ?? 0,
    bytesReceived: place?.bytesReceived ?? 0,
  };
}

function portOf({ client, announcement }: Pick<Known, 'client' | 'announcement'>): number | undefined {
  return announcement?.endpoints?.sourcePort ?? client.ends()?.remotePort;
}

/** Of the last one of a page, as that has said; a text that none has said is the end. */
function serialOf(after: string): number {
  return /^\d{1,15}$/.test(after) ? Number(after) : Infinity;
}
