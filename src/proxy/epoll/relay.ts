import type { Counters } from '../counters.ts';
import { slotOfTenancy } from '../slot-table.ts';
import { MSG_MORE } from '../sys/constants.ts';
import type { Pointer, Sys } from '../sys/sys.ts';
import type { LoopClock } from './clock.ts';
import { AGAIN } from './errno.ts';
import type { Parking } from './parking.ts';
import type { Pipes } from './pipes.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Sockets } from './sockets.ts';
import { PipeUse } from './pipe-use.ts';
import type { Tuning } from './tuning.ts';
import type { WarmSockets } from './warm-sockets.ts';

/** What is read in one go. A read that fills it says that there is more. */
export const READ_BYTES = 65_536;

const SENT_BYTES = 4;

/** Reads of one source before the others get their turn, and how many of them a pipe's full is worth. */
const READS_PER_TURN = 8;
const READS_PER_SPLICE = 4;

/** A source that may be read now. */
const MAY_READ = FLAG.OPEN | FLAG.READABLE;
const READ_STATE = MAY_READ | FLAG.BLOCKED | FLAG.READ_ENDED;

export interface RelayOptions {
  readonly sys: Sys;
  readonly table: SocketTable;
  readonly parking: Parking;
  readonly pipes: Pipes;
  readonly sockets: Sockets;
  readonly counters: Counters;
  readonly clock: LoopClock;
  readonly tuning: Tuning;
  readonly warm: WarmSockets;
  /** Whether bulk goes through pipes, never seen by this process. */
  readonly splices: boolean;
  /** Whether the last bytes before a FIN that has come already wait for it, to leave as one segment. */
  readonly corksEnds: boolean;
}

/**
 * Hands on bytes, FINs and resets between the two sides of a connection, in both directions alike.
 *
 *     source ──recv──► one buffer ──send──► sink      what the sink does not take is parked, the source waits
 *     source ──splice──► a pipe ──splice──► sink      after two full reads: bulk never leaves the kernel
 *
 * Bytes count when the kernel has taken them for the sink. A FIN is handed on behind the last byte, an abort as an
 * abort. When writing to one side fails, what it has still said is read and handed on before the reset.
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #table: SocketTable;
  readonly #sys: Sys;
  readonly #pipeUse: PipeUse;
  readonly #memory = new ArrayBuffer(READ_BYTES + SENT_BYTES);
  readonly #bytes = new Uint8Array(this.#memory, 0, READ_BYTES);
  /** What the last write of a transfer has returned. */
  readonly #sent = new Int32Array(this.#memory, READ_BYTES, 1);
  readonly #buffer: Pointer;
  #queue: number[] = [];

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#table = options.table;
    this.#sys = options.sys;
    this.#pipeUse = new PipeUse(options);
    this.#buffer = options.sys.addressOf(this.#memory);
  }

  /** Sources wait for another turn. */
  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  /** Gives every source that waits its turn. */
  takeTurns(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const fd of queue) {
      // Closed meanwhile, and maybe another one now: then it is not queued.
      if (!this.#table.has(fd, FLAG.QUEUED)) continue;
      this.#table.unmark(fd, FLAG.QUEUED);
      this.pump(fd);
    }
  }

  /** Reads a source as long as it has something, its sink takes it, and it is its turn. */
  pump(source: number): void {
    const table = this.#table;
    for (let reads = 0; reads < READS_PER_TURN;) {
      if ((table.flagsOf(source) & READ_STATE) !== MAY_READ) return;
      const sink = table.peerOf(source);
      if (table.has(sink, FLAG.CONNECTING | FLAG.BROKEN)) return;
      // A pipe takes nothing behind an urgent mark.
      const splices = table.get(source, CELL.PIPE) > 0 && !table.has(source, FLAG.URGENT);
      reads += splices ? READS_PER_SPLICE : 1;
      const goesOn = splices ? this.#splice(source, sink) : this.#copy(source, sink);
      if (!goesOn) return;
    }
    if ((table.flagsOf(source) & (READ_STATE | FLAG.QUEUED)) !== MAY_READ) return;
    table.mark(source, FLAG.QUEUED);
    this.#queue.push(source);
  }

  /** The sink may take something again: hands on what waits for it, then goes on reading. */
  resume(source: number): void {
    if (this.#flush(source)) this.pump(source);
  }

  /** A new backend is there for a client whose bytes another one did not take. */
  resend(client: number): void {
    this.#asked(this.#table.peerOf(client));
    this.resume(client);
  }

  /** One of the sides is in error: reads what it has still said, or gives up when nobody would take that. */
  errored(fd: number): void {
    const table = this.#table;
    // Its backend is being dialled once more: it is looked at when that is there.
    if (table.has(table.peerOf(fd), FLAG.CONNECTING)) return;
    const isClientBlocked = table.has(fd, FLAG.CLIENT) && table.has(fd, FLAG.BLOCKED);
    // Of two that are broken, neither would be read: the other one's sink is no more.
    const isNobodyLeft = table.has(table.peerOf(fd), FLAG.BROKEN);
    if (isClientBlocked || isNobodyLeft || table.has(fd, FLAG.READ_ENDED))
      this.#options.sockets.closeBoth(fd, true);
    else table.mark(fd, FLAG.BROKEN | FLAG.READABLE);
  }

  /** One read and one write; false when there is no more to do for now. */
  #copy(source: number, sink: number): boolean {
    const table = this.#table;
    const { warm } = this.#options;
    const flags = table.flagsOf(source);
    const isUnused = (flags & FLAG.UNUSED) !== 0;
    if (isUnused && warm.isGone(source)) return false;
    const hasHungUp = (flags & FLAG.HUNG_UP) !== 0;
    const more = hasHungUp && this.#options.corksEnds ? MSG_MORE : 0;
    const read = this.#sys.transfer(source, sink, this.#buffer, READ_BYTES, more);
    if (read <= 0) return this.#notRead(source, sink, read);
    const sent = this.#sent[0]!;
    if (isUnused && !warm.begins(source, sink, sent, this.#bytes.subarray(0, read))) return false;
    this.#hasRead(source, sink);
    if (sent > 0) this.#count(source, sent);
    if (sent < read) {
      if (sent < 0 && sent !== AGAIN) return this.#sinkBroke(source, sink);
      const left = this.#bytes.subarray(Math.max(0, sent), read);
      table.set(source, CELL.PARKED, this.#options.parking.park(left) + 1);
      return this.#block(source, sink);
    }
    if (read === READ_BYTES) {
      this.#pipeUse.readFull(source);
      return true;
    }
    table.set(source, CELL.READS, 0);
    // A read that does not fill the buffer has emptied the socket: of what came before the FIN, or until the next edge.
    if (table.has(source, FLAG.BROKEN | FLAG.URGENT)) return true;
    if (hasHungUp) this.#readEnded(source, sink);
    else this.#table.unmark(source, FLAG.READABLE);
    return false;
  }

  #splice(source: number, sink: number): boolean {
    const { pipes } = this.#options;
    const pipe = this.#table.get(source, CELL.PIPE) - 1;
    const read = pipes.fill(pipe, source);
    // Nothing is the end, or an urgent mark that has come this moment: a read tells.
    if (read === 0) return this.#copy(source, sink);
    if (read < 0) return this.#notRead(source, sink, read);
    this.#hasRead(source, sink);
    const sent = pipes.empty(pipe, sink);
    if (sent > 0) this.#count(source, sent);
    if (sent < read) {
      if (sent < 0 && sent !== AGAIN) return this.#sinkBroke(source, sink);
      return this.#block(source, sink);
    }
    this.#pipeUse.spliced(source, read);
    return true;
  }

  #block(source: number, sink: number): false {
    // A client that is gone leaves a backend that does not read nothing to wait for.
    if (this.#table.has(source, FLAG.BROKEN) && this.#table.has(source, FLAG.CLIENT)) {
      this.#options.sockets.closeBoth(source, true);
      return false;
    }
    this.#table.mark(source, FLAG.BLOCKED);
    this.#options.sockets.awaitRoom(sink);
    return false;
  }

  /** True when nothing waits for the sink any more. */
  #flush(source: number): boolean {
    const { table, parking, pipes } = this.#options;
    const sink = table.peerOf(source);
    const lot = table.get(source, CELL.PARKED) - 1;
    const pipe = table.get(source, CELL.PIPE) - 1;
    const sent = lot >= 0 ? parking.send(lot, sink) : pipes.empty(pipe, sink);
    if (sent < 0 && sent !== AGAIN) return this.#sinkBroke(source, sink);
    if (sent > 0) {
      this.#count(source, sent);
      this.#touch(source);
    }
    const isLeft = lot >= 0 ? !parking.isEmpty(lot) : pipes.held(pipe) > 0;
    if (isLeft) return false;
    if (lot >= 0) {
      parking.free(lot);
      table.set(source, CELL.PARKED, 0);
    }
    this.#table.unmark(source, FLAG.BLOCKED);
    return true;
  }

  #hasRead(source: number, sink: number): void {
    if (this.#table.has(source, FLAG.CLIENT)) this.#asked(sink);
    else if ((this.#table.flagsOf(source) & FLAG.SETTLED) === 0) this.#options.sockets.succeeded(source);
    this.#touch(source);
  }

  /** A backend that is asked once is sent one segment, which leaves at once anyway: one call less a connection. */
  #asked(backend: number): void {
    const table = this.#table;
    const flags = table.flagsOf(backend) & (FLAG.ASKED | FLAG.PROMPT);
    if (flags === 0) {
      table.mark(backend, FLAG.ASKED);
      table.set(backend, CELL.SINCE, this.#options.clock.tick);
    } else if (flags === FLAG.ASKED) {
      table.mark(backend, FLAG.PROMPT);
      this.#options.tuning.sendAtOnce(backend);
    }
  }

  #touch(fd: number): void {
    this.#table.set(this.#table.clientOf(fd), CELL.SINCE, this.#options.clock.tick);
  }

  #count(source: number, bytes: number): void {
    const { counters } = this.#options;
    const table = this.#table;
    const slot = slotOfTenancy(table.get(source, CELL.TENANCY));
    if (table.has(source, FLAG.CLIENT)) {
      counters.sent(slot, bytes);
      table.countSent(table.peerOf(source), bytes);
    } else {
      counters.received(slot, bytes);
      table.countReceived(source, bytes);
    }
  }

  #notRead(source: number, sink: number, result: number): false {
    const isBroken = this.#table.has(source, FLAG.BROKEN);
    if (result === AGAIN && !isBroken) this.#table.unmark(source, FLAG.READABLE);
    else if (result === 0 && !isBroken) this.#readEnded(source, sink);
    else this.#broke(source, result);
    return false;
  }

  #readEnded(source: number, sink: number): void {
    if (this.#table.has(source, FLAG.UNUSED)) return this.#options.warm.ended(source, false);
    this.#table.unmark(source, FLAG.READABLE);
    this.#table.mark(source, FLAG.READ_ENDED);
    this.#touch(source);
    if ((this.#table.flagsOf(source) & (FLAG.CLIENT | FLAG.SETTLED)) === 0)
      this.#endedUnsettled(source, sink);
    if (this.#table.has(sink, FLAG.READ_ENDED)) this.#options.sockets.closeBoth(source, false);
    else this.#sys.shutdownWrite(sink);
  }

  /** A backend that leaves a client waiting for its first byte has failed; an end in return for an end has not. */
  #endedUnsettled(backend: number, client: number): void {
    const { sockets } = this.#options;
    const isAnswerOwed = this.#table.has(backend, FLAG.ASKED) && !this.#table.has(client, FLAG.READ_ENDED);
    if (isAnswerOwed) sockets.failed(backend, 'closed_before_first_byte');
    else sockets.succeeded(backend);
  }

  /** Its connection is gone, and all that it had said has been read. @param error below zero; 0 after a write that failed */
  #broke(source: number, error: number): void {
    const { sockets, warm } = this.#options;
    if (this.#table.has(source, FLAG.UNUSED)) return warm.ended(source, true);
    if ((this.#table.flagsOf(source) & (FLAG.CLIENT | FLAG.SETTLED)) === 0) {
      if (this.#table.has(source, FLAG.ASKED)) sockets.failed(source, 'reset', error);
      else sockets.succeeded(source);
    }
    sockets.closeBoth(source, true);
  }

  #sinkBroke(source: number, sink: number): false {
    this.#table.mark(sink, FLAG.BROKEN | FLAG.READABLE);
    if (this.#table.has(sink, FLAG.READ_ENDED | FLAG.CLIENT) || this.#table.has(source, FLAG.BROKEN))
      this.#options.sockets.closeBoth(source, true);
    else this.pump(sink);
    return false;
  }
}
