import type { RefusalReason } from '../../domain/outcome.ts';
import type { Sys } from '../sys/sys.ts';
import type { WaitQueue } from '../wait-queue.ts';
import type { LoopClock } from './clock.ts';
import { DialList } from './dial-list.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Sockets } from './sockets.ts';

export interface WaitersOptions {
  readonly sys: Sys;
  readonly table: SocketTable;
  readonly sockets: Sockets;
  readonly clock: LoopClock;
  readonly queue: WaitQueue;
  /** Looks for a place for the first client; false when there is none. It has left the line otherwise. */
  readonly onTurn: (client: number) => boolean;
  /** It has waited for too long. */
  readonly onTimeout: (client: number) => void;
  /** It has gone. */
  readonly onGone: (client: number) => void;
}

const NONE_WAITS = 0;

/**
 * The clients of this thread that wait for a place, in the order in which they came. They are watched for their end
 * alone, and are neither swept nor cut.
 *
 *     add ─► line ─► turn ─► dialled          a turn comes at the end of the batch in which a place was freed,
 *              └─► timed out, gone            here or in another thread
 */
export class Waiters {
  readonly #options: WaitersOptions;
  readonly #table: SocketTable;
  readonly #line: DialList;
  readonly #byte: ReturnType<Sys['addressOf']>;
  readonly #memory = new ArrayBuffer(1);
  #isStirred = false;

  constructor(options: WaitersOptions) {
    this.#options = options;
    this.#table = options.table;
    this.#byte = options.sys.addressOf(this.#memory);
    this.#line = new DialList(
      options.table,
      (fd) => this.#timeLeft(fd),
      CELL.NEXT_AWAITED,
      CELL.PREVIOUS_AWAITED,
    );
  }

  /** Whether whoever comes now has to stand behind others. */
  get mustWait(): boolean {
    return this.#options.queue.isAnybodyWaiting;
  }

  /** Something may have been freed, or the line has changed: turns are given at the end of the batch. */
  stir(): void {
    this.#isStirred = true;
  }

  /** Has a client wait; or why it cannot: too many do, or the kernel has no room to watch it. */
  add(client: number): RefusalReason | undefined {
    const { queue, clock, sockets } = this.#options;
    const ticket = queue.join();
    if (ticket === 0) return 'all_full';
    if (sockets.watchReads(client) < 0) {
      queue.leave();
      return 'local_error';
    }
    this.#table.unmark(client, FLAG.CLIENT);
    this.#table.mark(client, FLAG.WAITS);
    this.#table.set(client, CELL.TICKET, ticket);
    this.#table.set(client, CELL.SINCE, clock.tick);
    this.#line.insert(client);
    this.#publish();
    this.stir();
    return undefined;
  }

  /** Takes a client out of the line. */
  remove(client: number): void {
    this.#line.remove(client);
    this.#table.unmark(client, FLAG.WAITS);
    this.#table.mark(client, FLAG.CLIENT);
    this.#options.sockets.unwatch(client);
    this.#options.queue.leave();
    this.#publish();
    this.stir();
  }

  /** Something has come from a client that waits. @param isOver its connection is gone */
  look(client: number, isOver: boolean): void {
    // One that has said nothing, and will not say anything, does not wait for an answer. What the one from the pool has
    // not taken of it is parked.
    const hasSpoken = this.#table.has(client, FLAG.BLOCKED);
    const hasGone = isOver || (!hasSpoken && this.#options.sys.peek(client, this.#byte, 1) === 0);
    if (!hasGone) return;
    this.remove(client);
    this.#options.onGone(client);
  }

  /** Gives as many their turn as there are places. */
  serve(): void {
    if (!this.#isStirred) return;
    this.#isStirred = false;
    const { queue, onTurn } = this.#options;
    for (let first = this.#line.first; first >= 0; first = this.#line.first) {
      if (!queue.isFirst(this.#table.get(first, CELL.TICKET))) break;
      if (!onTurn(first)) return;
    }
    queue.wakeFirst();
  }

  /** Milliseconds until the first has waited too long; -1 when nobody waits. */
  nextTimeoutMs(): number {
    const first = this.#line.first;
    return first < 0 ? -1 : Math.max(0, this.#timeLeft(first));
  }

  /** Turns those away who have waited too long. */
  expire(): void {
    for (let fd = this.#line.first; fd >= 0 && this.#timeLeft(fd) <= 0; fd = this.#line.first) {
      this.remove(fd);
      this.#options.onTimeout(fd);
    }
  }

  /** Ends all that wait. */
  abandon(): void {
    for (let fd = this.#line.first; fd >= 0; fd = this.#line.first) {
      this.remove(fd);
      this.#options.onGone(fd);
    }
  }

  #timeLeft(client: number): number {
    const { clock, queue } = this.#options;
    return queue.bounds.timeoutMs - clock.since(this.#table.get(client, CELL.SINCE));
  }

  #publish(): void {
    const { first } = this.#line;
    this.#options.queue.publish(first < 0 ? NONE_WAITS : this.#table.get(first, CELL.TICKET));
  }
}
