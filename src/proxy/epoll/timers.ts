import type { Counters } from '../counters.ts';
import { sweepIntervalMs, timeoutOver, type Timeouts } from '../timeouts.ts';
import { type LoopClock, soonest } from './clock.ts';
import type { Dialer } from './dialer.ts';
import type { HeaderReader } from './header-reader.ts';
import type { HelloReader } from './hello-reader.ts';
import type { Listeners } from './listeners.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Sockets } from './sockets.ts';
import type { Tuning } from './tuning.ts';
import type { Waiters } from './waiters.ts';
import type { WarmSockets } from './warm-sockets.ts';

const CLOSE_STEPS = 10;

export interface TimersOptions {
  readonly clock: LoopClock;
  readonly table: SocketTable;
  readonly sockets: Sockets;
  readonly dialer: Dialer;
  readonly headers: HeaderReader;
  readonly hellos: HelloReader;
  readonly waiters: Waiters;
  readonly listeners: Listeners;
  readonly tuning: Tuning;
  readonly warm: WarmSockets;
  readonly counters: Counters;
  /** Read anew each time. */
  readonly timeouts: Timeouts;
}

/** What happens by the clock: no timer a connection, but lists and sweeps that a batch ends with. */
export class Timers {
  readonly #options: TimersOptions;
  #sweepMs: number;
  #sweptAt: number;
  #closing:
    | { readonly victims: readonly number[]; readonly startedAt: number; readonly spreadMs: number }
    | undefined;
  #closed = 0;

  constructor(options: TimersOptions) {
    this.#options = options;
    this.#sweepMs = sweepIntervalMs(options.timeouts);
    this.#sweptAt = options.clock.tick;
  }

  /** Milliseconds until something is due, -1 when nothing is. */
  nextMs(): number {
    const { dialer, headers, hellos, waiters, listeners, sockets, warm } = this.#options;
    const sweep = sockets.clients > 0 ? Math.max(0, this.#sweepMs - this.#sinceSweep()) : -1;
    const own = soonest(sweep, this.#nextCloseMs());
    const starts = soonest(headers.nextTimeoutMs(), hellos.nextTimeoutMs());
    const dials = soonest(dialer.nextTimeoutMs(), starts);
    const waits = soonest(listeners.nextMs(), waiters.nextTimeoutMs());
    return soonest(soonest(soonest(dials, waits), own), warm.nextMs());
  }

  run(): void {
    const { dialer, headers, hellos, waiters, listeners, sockets } = this.#options;
    dialer.expire();
    headers.expire();
    hellos.expire();
    waiters.expire();
    listeners.run();
    if (this.#closing !== undefined) this.#closeDue();
    if (sockets.clients > 0 && this.#sinceSweep() >= this.#sweepMs) this.#sweep();
  }

  /** Connections keep the time that has passed. */
  timeoutsChanged(): void {
    this.#sweepMs = sweepIntervalMs(this.#options.timeouts);
  }

  /** Ends every connection, evenly over a time. */
  closeAll(spreadMs: number): void {
    const victims = [...this.#options.table.having(FLAG.OPEN | FLAG.CLIENT)];
    if (victims.length === 0) return;
    this.#closing = { victims, startedAt: this.#options.clock.tick, spreadMs };
    this.#closed = 0;
  }

  /** Ends the connections of a backend; clients that are not connected yet get another one. */
  cut(tenancy: number): void {
    const { table, dialer, sockets } = this.#options;
    for (const client of table.having(FLAG.OPEN | FLAG.CLIENT)) {
      if (table.get(client, CELL.TENANCY) !== tenancy) continue;
      const backend = table.peerOf(client);
      if (table.has(backend, FLAG.CONNECTING)) dialer.abandon(backend);
      else sockets.closeBoth(client, true);
    }
  }

  #sinceSweep(): number {
    return this.#options.clock.since(this.#sweptAt);
  }

  #sweep(): void {
    const { table, clock, tuning } = this.#options;
    this.#sweptAt = clock.tick;
    for (const client of table.having(FLAG.OPEN | FLAG.CLIENT)) {
      const backend = table.peerOf(client);
      if (table.has(backend, FLAG.CONNECTING)) continue;
      if (!this.#closedForTime(client, backend) && !table.has(backend, FLAG.KEPT_ALIVE)) {
        table.mark(backend, FLAG.KEPT_ALIVE);
        tuning.keepAlive(backend);
      }
    }
  }

  #closedForTime(client: number, backend: number): boolean {
    const { table, clock, sockets, counters, timeouts } = this.#options;
    const isHalfClosed = table.has(client, FLAG.READ_ENDED) || table.has(backend, FLAG.READ_ENDED);
    const isUnanswered = (table.flagsOf(backend) & (FLAG.ASKED | FLAG.SETTLED)) === FLAG.ASKED;
    const kind = timeoutOver(
      timeouts,
      clock.since(table.get(client, CELL.SINCE)),
      isHalfClosed,
      isUnanswered ? clock.since(table.get(backend, CELL.SINCE)) : -1,
    );
    if (kind === undefined) return false;
    counters.timedOut(kind);
    if (kind === 'first_byte') sockets.failed(backend, 'first_byte_timeout');
    sockets.closeBoth(client, true);
    return true;
  }

  #nextCloseMs(): number {
    if (this.#closing === undefined) return -1;
    const { startedAt, spreadMs } = this.#closing;
    const step = Math.floor((this.#closed * CLOSE_STEPS) / this.#closing.victims.length);
    return Math.max(0, Math.ceil((spreadMs * step) / CLOSE_STEPS) - this.#options.clock.since(startedAt));
  }

  #closeDue(): void {
    const { victims } = this.#closing!;
    while (this.#closed < victims.length && this.#nextCloseMs() === 0) this.#end(victims[this.#closed++]!);
    if (this.#closed === victims.length) this.#closing = undefined;
  }

  /** Of a victim that has ended meanwhile, the number may be another client's: it has no longer to live either. */
  #end(client: number): void {
    const { table, sockets, dialer, waiters } = this.#options;
    if (table.has(client, FLAG.WAITS)) return waiters.end(client);
    if (!table.has(client, FLAG.CLIENT)) return;
    const backend = table.peerOf(client);
    if (table.has(backend, FLAG.CONNECTING)) dialer.giveUp(backend);
    else sockets.closeBoth(client, true);
  }
}
