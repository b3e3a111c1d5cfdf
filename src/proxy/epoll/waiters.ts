import type { RefusalReason } from '../../domain/outcome.ts';
import type { Sys } from '../sys/sys.ts';
import type { WaitQueue, WaitQueues } from '../wait-queue.ts';
import type { LoopClock } from './clock.ts';
import { DialList } from './dial-list.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Sockets } from './sockets.ts';

export interface WaitersOptions {
  readonly sys: Sys;
  readonly table: SocketTable;
  readonly sockets: Sockets;
  readonly clock: LoopClock;
  /** How long one may wait; read anew each time. */
  readonly bounds: { readonly timeoutMs: number };
  readonly queues: WaitQueues;
  /** Whether clients of an app may be sent to a backend. */
  readonly serves: (app: number, tenancy: number) => boolean;
  /** Looks for a place for the first client; false when there is none. It has left the line otherwise. */
  readonly onTurn: (client: number) => boolean;
  /** It has waited for too long. */
  readonly onTimeout: (client: number) => void;
  /** It has gone. */
  readonly onGone: (client: number) => void;
}

const NONE_WAITS = 0;

/** The clients of one app, in the order in which they came. */
interface Line {
  readonly app: number;
  readonly queue: WaitQueue;
  readonly clients: DialList;
}

/**
 * The clients of this thread that wait for a place, in a line for each app. They are watched for their end alone, and
 * are neither swept nor cut.
 *
 *     add ─► line ─► turn ─► dialled          a turn comes at the end of the batch in which a place was freed,
 *              └─► timed out, gone            here or in another thread
 */
export class Waiters {
  readonly #options: WaitersOptions;
  readonly #table: SocketTable;
  /** Of those apps that clients have come for. */
  readonly #lines: Line[] = [];
  readonly #byApp: (Line | undefined)[] = [];
  readonly #byte: ReturnType<Sys['addressOf']>;
  readonly #memory = new ArrayBuffer(1);
  #isStirred = false;
  #hasFreed = false;

  constructor(options: WaitersOptions) {
    this.#options = options;
    this.#table = options.table;
    this.#byte = options.sys.addressOf(this.#memory);
  }

  /** Whether whoever comes for an app now has to stand behind others. */
  mustWait(app: number): boolean {
    return this.#lineOf(app).queue.isAnybodyWaiting;
  }

  /** Whether somebody waits who might be served by this backend. */
  isCrowdedAt(tenancy: number): boolean {
    const { queues, serves } = this.#options;
    return queues.isAnybodyWaitingFor((app) => serves(app, tenancy));
  }

  /** This thread may have freed something: turns are given at the end of the batch, here and elsewhere. */
  freed(): void {
    this.#isStirred = true;
    this.#hasFreed = true;
  }

  /** Another thread may have freed something, and has told whom it concerns: turns are given here. */
  stir(): void {
    this.#isStirred = true;
  }

  /** Has a client wait; or why it cannot: too many do, or the kernel has no room to watch it. */
  add(client: number): RefusalReason | undefined {
    const { clock, sockets } = this.#options;
    const line = this.#lineOf(this.#table.appOf(client));
    const ticket = line.queue.join();
    if (ticket === 0) return 'all_full';
    if (sockets.watchReads(client) < 0) {
      line.queue.leave();
      return 'local_error';
    }
    this.#table.unmark(client, FLAG.CLIENT);
    this.#table.mark(client, FLAG.WAITS);
    this.#table.set(client, CELL.TICKET, ticket);
    this.#table.set(client, CELL.SINCE, clock.tick);
    line.clients.insert(client);
    this.#publish(line);
    this.stir();
    return undefined;
  }

  /** Takes a client out of the line. */
  remove(client: number): void {
    const line = this.#lineOf(this.#table.appOf(client));
    line.clients.remove(client);
    this.#table.unmark(client, FLAG.WAITS);
    this.#table.mark(client, FLAG.CLIENT);
    this.#options.sockets.unwatch(client);
    line.queue.leave();
    this.#publish(line);
    // Of another thread: who is first here looks for itself.
    if (line.clients.first < 0) line.queue.wakeFirst();
    this.stir();
  }

  /** Something has come from a client that waits. @param isOver its connection is gone */
  look(client: number, isOver: boolean): void {
    // One that has said nothing, and will not say anything, does not wait for an answer. What the one from the pool has
    // not taken of it is parked.
    const hasSpoken = this.#table.has(client, FLAG.BLOCKED);
    const hasGone = isOver || (!hasSpoken && this.#options.sys.peek(client, this.#byte, 1) === 0);
    if (!hasGone) return;
    this.end(client);
  }

  /** Ends a client that waits. */
  end(client: number): void {
    this.remove(client);
    this.#options.onGone(client);
  }

  /** Gives as many their turn as there are places. */
  serve(): void {
    if (!this.#isStirred) return;
    this.#isStirred = false;
    const { queues } = this.#options;
    if (queues.isAnybodyWaiting) for (const line of this.#inTurn()) this.#serve(line);
    if (!this.#hasFreed) return;
    this.#hasFreed = false;
    queues.wakeOthers();
  }

  /** Milliseconds until the next one has waited too long; -1 when nobody waits. */
  nextTimeoutMs(): number {
    let next = -1;
    for (const { clients } of this.#lines) {
      const left = clients.first < 0 ? -1 : Math.max(0, this.#timeLeft(clients.first));
      if (left >= 0 && (next < 0 || left < next)) next = left;
    }
    return next;
  }

  /** Turns those away who have waited too long. */
  expire(): void {
    for (const { clients } of this.#lines)
      for (let fd = clients.first; fd >= 0 && this.#timeLeft(fd) <= 0; fd = clients.first) {
        this.remove(fd);
        this.#options.onTimeout(fd);
      }
  }

  /** Ends all that wait. */
  abandon(): void {
    for (const { clients } of this.#lines)
      for (let fd = clients.first; fd >= 0; fd = clients.first) this.end(fd);
  }

  /** The lines that somebody stands in: who has waited longest comes first, where they share a backend. */
  #inTurn(): readonly Line[] {
    const some = this.#lines.filter(({ clients }) => clients.first >= 0);
    return some.toSorted((one, other) => (this.#ticketOf(one) - this.#ticketOf(other)) | 0);
  }

  #serve({ clients, queue }: Line): void {
    for (let { first } = clients; first >= 0; { first } = clients) {
      if (!queue.isFirst(this.#table.get(first, CELL.TICKET))) break;
      if (!this.#options.onTurn(first)) return;
    }
    queue.wakeFirst();
  }

  #lineOf(app: number): Line {
    return (this.#byApp[app] ??= this.#newLine(app));
  }

  #newLine(app: number): Line {
    const clients = new DialList(
      this.#table,
      (fd) => this.#timeLeft(fd),
      CELL.NEXT_AWAITED,
      CELL.PREVIOUS_AWAITED,
    );
    const line = { app, queue: this.#options.queues.of(app), clients };
    this.#lines.push(line);
    return line;
  }

  #timeLeft(client: number): number {
    const { clock, bounds } = this.#options;
    return bounds.timeoutMs - clock.since(this.#table.get(client, CELL.SINCE));
  }

  #publish(line: Line): void {
    line.queue.publish(this.#ticketOf(line));
  }

  /** Of its first client. */
  #ticketOf({ clients: { first } }: Line): number {
    return first < 0 ? NONE_WAITS : this.#table.get(first, CELL.TICKET);
  }
}
