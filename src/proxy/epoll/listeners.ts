import { EPOLL } from '../sys/constants.ts';
import type { Sys } from '../sys/sys.ts';
import type { LoopClock } from './clock.ts';
import { ABORTED, AGAIN, errorNameOf, INTERRUPTED, must } from './errno.ts';
import { SocketAddress } from './socket-address.ts';
import type { Spare } from './spare.ts';

/** Clients that are accepted before the loop goes on with others. */
const ACCEPTS_PER_TURN = 64;

/** How long a listener rests when the process has run out of descriptors or memory. */
const PAUSE_MS = 100;

export interface ListenersOptions {
  readonly sys: Sys;
  readonly epoll: number;
  readonly clock: LoopClock;
  readonly spare: Spare;
  readonly onClient: (fd: number, from: SocketAddress) => void;
  /** Clients have to wait, for want of descriptors or memory. */
  readonly onExhausted: (error: string) => void;
}

/** The listeners that a thread accepts from; they are its own until it gives them back. */
export class Listeners {
  readonly #options: ListenersOptions;
  readonly #fds = new Set<number>();
  readonly #from: SocketAddress;
  #pausedAt: number | undefined;

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#from = new SocketAddress(options.sys);
  }

  has(fd: number): boolean {
    return this.#fds.has(fd);
  }

  adopt(fd: number): void {
    this.#fds.add(fd);
    if (this.#pausedAt === undefined) this.#watch(fd);
  }

  /** Gives a listener back as it is; false when it is not, or no longer, here. */
  release(fd: number): boolean {
    if (!this.#fds.delete(fd)) return false;
    if (this.#pausedAt === undefined) this.#unwatch(fd);
    return true;
  }

  /** Accepts everybody who has come so far, and nobody any more. */
  close(): void {
    for (const fd of this.#fds) {
      while (this.#acceptSome(fd));
      this.#fds.delete(fd);
      this.#options.sys.close(fd);
    }
    this.#pausedAt = undefined;
  }

  accept(fd: number): void {
    this.#acceptSome(fd);
  }

  /** Milliseconds until listeners that rest go on; -1 when none rests. */
  nextMs(): number {
    if (this.#pausedAt === undefined) return -1;
    return Math.max(0, PAUSE_MS - this.#options.clock.since(this.#pausedAt));
  }

  /** Goes on accepting when the pause is over. */
  run(): void {
    if (this.nextMs() !== 0) return;
    const { spare, clock } = this.#options;
    const isOver = spare.restore() >= 0;
    this.#pausedAt = isOver ? undefined : clock.tick;
    if (!isOver) return;
    for (const fd of this.#fds) this.#watch(fd);
  }

  /** True when there may be more to accept at once. */
  #acceptSome(fd: number): boolean {
    const { sys, spare, onClient } = this.#options;
    for (let count = 0; count < ACCEPTS_PER_TURN; count++) {
      const room = spare.restore();
      const client = room < 0 ? room : sys.accept(fd, this.#from.pointer);
      if (client >= 0) onClient(client, this.#from);
      else if (client === AGAIN) return false;
      // That client has left again already; the next may be there.
      else if (client !== ABORTED && client !== INTERRUPTED) {
        this.#pause(errorNameOf(client));
        return false;
      }
    }
    return true;
  }

  #pause(error: string): void {
    this.#options.onExhausted(error);
    if (this.#pausedAt === undefined) for (const fd of this.#fds) this.#unwatch(fd);
    this.#pausedAt = this.#options.clock.tick;
  }

  #watch(fd: number): void {
    const { sys, epoll } = this.#options;
    must(sys.epollControl(epoll, EPOLL.ADD, fd, EPOLL.IN, 0), 'epoll_ctl');
  }

  #unwatch(fd: number): void {
    const { sys, epoll } = this.#options;
    must(sys.epollControl(epoll, EPOLL.DELETE, fd, 0, 0), 'epoll_ctl');
  }
}
