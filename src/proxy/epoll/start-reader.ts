import { isIncomplete, isMalformed, type ParsedStart } from '../parsed-start.ts';
import { SO, SOL } from '../sys/constants.ts';
import type { Pointer, Sys } from '../sys/sys.ts';
import type { LoopClock } from './clock.ts';
import { DialList } from './dial-list.ts';
import { AGAIN, errorNameOf } from './errno.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Sockets } from './sockets.ts';

export interface StartReaderOptions<Start extends { readonly kind: string }> {
  readonly sys: Sys;
  readonly table: SocketTable;
  readonly sockets: Sockets;
  readonly clock: LoopClock;
  /** What a descriptor is marked with that is waited for. */
  readonly flag: number;
  /** Time for it to come; read anew each time. */
  readonly bounds: { readonly timeoutMs: number };
  readonly mostBytes: number;
  /** What the bytes are, so many of them; `mostBytes` are never incomplete. */
  readonly parse: (bytes: Uint8Array, byteCount: number) => ParsedStart<Start>;
  /** It is there, still to be received. It is nowhere but in its row, not watched, and marked as a client. */
  readonly onStart: (fd: number, start: Start) => void;
  readonly onRefused: (fd: number, problem: string) => void;
}

/**
 * Reads what connections have to begin with.
 *
 *     await ─► look ─► start          a look takes nothing out of the socket: what has come waits in the kernel, and
 *               ▲ │ incomplete        the bytes behind it stay there for the relay
 *               └─┘ until as many bytes are there as are needed: the kernel counts them (SO_RCVLOWAT)
 *
 * Where many tiny segments fill the socket's memory, the kernel tells of each before that: then a look is in vain.
 *
 * Until its start is there a peer is neither swept nor cut, and is nowhere but in its row.
 */
export class StartReader<Start extends { readonly kind: string }> {
  readonly #options: StartReaderOptions<Start>;
  readonly #table: SocketTable;
  readonly #awaited: DialList;
  readonly #memory: ArrayBuffer;
  readonly #bytes: Uint8Array;
  readonly #buffer: Pointer;

  constructor(options: StartReaderOptions<Start>) {
    this.#options = options;
    this.#table = options.table;
    this.#memory = new ArrayBuffer(options.mostBytes);
    this.#bytes = new Uint8Array(this.#memory);
    this.#buffer = options.sys.addressOf(this.#memory);
    this.#awaited = new DialList(
      options.table,
      (fd) => this.#timeLeft(fd),
      CELL.NEXT_AWAITED,
      CELL.PREVIOUS_AWAITED,
    );
  }

  /** Takes a client over that is neither watched nor read. */
  await(fd: number): void {
    const { sockets, clock, flag } = this.#options;
    this.#table.unmark(fd, FLAG.CLIENT);
    this.#table.mark(fd, flag);
    this.#table.set(fd, CELL.SINCE, clock.tick);
    this.#awaited.insert(fd);
    // Mostly it has come with the first segment, and is not waited for.
    this.#look(fd, false, false);
    const watched = this.#table.has(fd, flag) ? sockets.watchReads(fd) : 0;
    if (watched < 0) this.#refuse(fd, `cannot be awaited: ${errorNameOf(watched)}`);
  }

  /** Something has come. @param isAll and nothing will come any more */
  look(fd: number, isAll: boolean): void {
    this.#look(fd, isAll, true);
  }

  /** Receives so many of the bytes of a start that is there. */
  receive(fd: number, byteCount: number): void {
    this.#options.sys.recv(fd, this.#buffer, byteCount);
  }

  /** Milliseconds until the next one has not come in time; -1 when none is awaited. */
  nextTimeoutMs(): number {
    const first = this.#awaited.first;
    return first < 0 ? -1 : Math.max(0, this.#timeLeft(first));
  }

  /** Turns those away whose start has not come in time. */
  expire(): void {
    const { timeoutMs } = this.#options.bounds;
    for (let fd = this.#awaited.first; fd >= 0 && this.#timeLeft(fd) <= 0; fd = this.#awaited.first)
      this.#refuse(fd, `does not come within ${timeoutMs} ms`);
  }

  /** Ends all that are waited for. */
  abandon(): void {
    for (let fd = this.#awaited.first; fd >= 0; fd = this.#awaited.first) {
      this.#awaited.remove(fd);
      this.#options.sockets.closeClient(fd, false);
    }
  }

  #look(fd: number, isAll: boolean, isWatched: boolean): void {
    const { sys, parse, mostBytes } = this.#options;
    const count = sys.peek(fd, this.#buffer, mostBytes);
    if (count === AGAIN) return;
    if (count < 0) return this.#refuse(fd, `does not come: ${errorNameOf(count)}`);
    if (count === 0) return this.#refuse(fd, 'does not come before the end');
    const parsed = parse(this.#bytes, count);
    if (isMalformed(parsed)) this.#refuse(fd, parsed.problem);
    else if (!isIncomplete(parsed)) this.#take(fd, parsed, isWatched);
    else if (isAll) this.#refuse(fd, 'ends before it is whole');
    else this.#tellFrom(fd, parsed.neededBytes);
  }

  /** Has the kernel tell that there is something to read when so many bytes are there, or the end. */
  #tellFrom(fd: number, bytes: number): void {
    this.#options.sys.setOption(fd, SOL.SOCKET, SO.RCVLOWAT, bytes);
  }

  #timeLeft(fd: number): number {
    const { clock, bounds } = this.#options;
    return bounds.timeoutMs - clock.since(this.#table.get(fd, CELL.SINCE));
  }

  #take(fd: number, start: Start, isWatched: boolean): void {
    const { sockets, flag, onStart } = this.#options;
    this.#awaited.remove(fd);
    if (isWatched) {
      sockets.unwatch(fd);
      this.#tellFrom(fd, 1);
    }
    this.#table.unmark(fd, flag);
    this.#table.mark(fd, FLAG.CLIENT);
    onStart(fd, start);
  }

  #refuse(fd: number, problem: string): void {
    this.#awaited.remove(fd);
    this.#options.onRefused(fd, problem);
  }
}
