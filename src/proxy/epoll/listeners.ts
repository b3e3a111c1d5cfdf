import { EPOLL } from '../sys/constants.ts';
import type { Sys } from '../sys/sys.ts';
import { type LoopClock, soonest } from './clock.ts';
import { RESERVED } from './descriptor-limit.ts';
import { AGAIN, errorNameOf, isExhaustion, isMistake, must } from './errno.ts';
import { SocketAddress } from './socket-address.ts';
import { FLAG, type SocketTable } from './socket-table.ts';
import type { Spare } from './spare.ts';
import { SynFilter } from './syn-filter.ts';

/** Clients that are accepted before the loop goes on with others. */
const ACCEPTS_PER_TURN = 64;

/** How long a listener rests when the process has run out of descriptors or memory. */
const PAUSE_MS = 100;

/**
 * How long a listener that has been replaced stays, deaf to new clients: handshakes that have begun are completed
 * meanwhile. Closed at once, it would reset whoever comes in that very moment.
 */
const HANDSHAKE_GRACE_MS = 50;

export interface ListenersOptions {
  readonly sys: Sys;
  readonly epoll: number;
  readonly clock: LoopClock;
  readonly table: SocketTable;
  readonly spare: Spare;
  /** Descriptors from this number on, read anew each time, are not for clients: what accepts no client still has to work. */
  readonly descriptors: { readonly clientCeiling: number };
  /** Clients that may wait in the queue of a listener. */
  readonly backlog: number;
  /** @param app number of the app whose clients come to the listener */
  readonly onClient: (fd: number, from: SocketAddress, app: number) => void;
  /** Clients have to wait, for want of descriptors or memory. */
  readonly onExhausted: (error: string) => void;
  /** The last of the listeners that were to be closed is closed. */
  readonly onClosed: () => void;
}

/** The listeners that a thread accepts from; they are its own until it gives them back. */
export class Listeners {
  readonly #options: ListenersOptions;
  /** With the number of the app whose clients come there. */
  readonly #fds = new Map<number, number>();
  readonly #from: SocketAddress;
  /** By listener that is to be closed: how many of its queue may still be accepted. */
  readonly #closing = new Map<number, number>();
  readonly #synFilter: SynFilter;
  /** Listeners that are deaf to new clients, and since when. */
  readonly #deaf = new Map<number, number>();
  #isClosingAll = false;
  #pausedAt: number | undefined;

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#from = new SocketAddress(options.sys);
    this.#synFilter = new SynFilter(options.sys);
  }

  has(fd: number): boolean {
    return this.#fds.has(fd);
  }

  adopt(fd: number, app: number): void {
    this.#fds.set(fd, app);
    this.#control(EPOLL.ADD, fd, this.#pausedAt === undefined ? EPOLL.IN : 0);
  }

  /** Clients of another app come to a listener from now on; nothing when it is not, or no longer, here. */
  change(fd: number, app: number): void {
    if (this.#fds.has(fd)) this.#fds.set(fd, app);
  }

  /** Gives a listener back as it is; false when it is not, or no longer, here. */
  release(fd: number): boolean {
    if (!this.#fds.delete(fd)) return false;
    this.#control(EPOLL.DELETE, fd, 0);
    return true;
  }

  /**
   * Accepts everybody who has come so far, and nobody any more. Who has to wait for a descriptor is waited for: then
   * the listener is closed later.
   */
  close(): void {
    this.#isClosingAll = true;
    for (const fd of this.#fds.keys()) {
      if (this.#closing.has(fd)) continue;
      this.#own(fd);
      this.#beginToClose(fd);
    }
    this.#closeEmptied();
  }

  /**
   * Does the same with one of them, once the handshakes that have begun are completed; the others go on.
   *
   * @param isShared others listen on its port: whom it does not hear would not come to them, so it closes at once
   */
  retire(fd: number, isShared: boolean): void {
    this.#own(fd);
    if (!isShared && this.#synFilter.attach(fd) === 0) {
      this.#deaf.set(fd, this.#options.clock.tick);
      return;
    }
    this.#beginToClose(fd);
    this.#closeEmptied();
  }

  /** Closes the listeners, whoever waits. */
  abandon(): void {
    if (this.#closing.size === 0) return;
    for (const fd of this.#closing.keys()) this.#end(fd);
    this.#pausedAt = undefined;
    this.#options.onClosed();
  }

  accept(fd: number): void {
    this.#acceptSome(fd);
  }

  /** Milliseconds until `run` has something to do; -1 when nothing is to come. */
  nextMs(): number {
    return soonest(this.#pauseLeftMs(), this.#graceLeftMs());
  }

  /** Goes on accepting when the pause is over, and closes what has been deaf for long enough. */
  run(): void {
    if (this.#graceLeftMs() === 0) this.#closeDeaf();
    if (this.#pauseLeftMs() === 0) this.#goOn();
  }

  #pauseLeftMs(): number {
    if (this.#pausedAt === undefined) return -1;
    return Math.max(0, PAUSE_MS - this.#options.clock.since(this.#pausedAt));
  }

  /** Of the one that has been deaf for longest. */
  #graceLeftMs(): number {
    for (const since of this.#deaf.values())
      return Math.max(0, HANDSHAKE_GRACE_MS - this.#options.clock.since(since));
    return -1;
  }

  #closeDeaf(): void {
    for (const [fd, since] of this.#deaf)
      if (this.#options.clock.since(since) >= HANDSHAKE_GRACE_MS) this.#beginToClose(fd);
    this.#closeEmptied();
  }

  #goOn(): void {
    const { spare, clock, descriptors } = this.#options;
    const lowestFree = spare.renew();
    const isOver = lowestFree >= 0 && lowestFree < descriptors.clientCeiling;
    this.#pausedAt = isOver ? undefined : clock.tick;
    if (!isOver) return;
    for (const fd of this.#fds.keys()) this.#control(EPOLL.MODIFY, fd, EPOLL.IN);
    if (this.#closing.size > 0) this.#closeEmptied();
  }

  #closeEmptied(): void {
    for (const [fd, left] of this.#closing) {
      for (let some = left; some > 0 && this.#acceptSome(fd); some -= ACCEPTS_PER_TURN)
        this.#closing.set(fd, some - ACCEPTS_PER_TURN);
      if (this.#pausedAt !== undefined) return;
      this.#end(fd);
    }
    if (this.#isClosingAll) this.#options.onClosed();
  }

  /** From now on nobody else would close it. */
  #own(fd: number): void {
    this.#options.table.open(fd, FLAG.HELPER);
  }

  #beginToClose(fd: number): void {
    this.#deaf.delete(fd);
    this.#closing.set(fd, this.#options.backlog);
  }

  #end(fd: number): void {
    const { sys, table } = this.#options;
    this.#closing.delete(fd);
    this.#fds.delete(fd);
    table.forget(fd);
    sys.close(fd);
  }

  /** True when there may be more to accept at once. */
  #acceptSome(fd: number): boolean {
    const { sys, spare, descriptors, onClient } = this.#options;
    const app = this.#fds.get(fd)!;
    for (let count = 0; count < ACCEPTS_PER_TURN; count++) {
      const room = spare.restore();
      const client = room < 0 ? room : sys.accept(fd, this.#from.pointer);
      if (client >= 0) {
        onClient(client, this.#from, app);
        if (client >= descriptors.clientCeiling) return this.#pause(RESERVED);
      } else if (client === AGAIN) return false;
      else if (isExhaustion(client)) return this.#pause(errorNameOf(client));
      else if (isMistake(client)) must(client, 'accept4');
      // Else that client has left again already, or its network has; the next may be there.
    }
    return true;
  }

  #pause(error: string): false {
    this.#options.onExhausted(error);
    // Not taken out of the epoll instance: to be put in again could fail for want of memory.
    if (this.#pausedAt === undefined) for (const fd of this.#fds.keys()) this.#control(EPOLL.MODIFY, fd, 0);
    this.#pausedAt = this.#options.clock.tick;
    return false;
  }

  #control(operation: number, fd: number, events: number): void {
    const { sys, epoll } = this.#options;
    must(sys.epollControl(epoll, operation, fd, events, 0), 'epoll_ctl');
  }
}
