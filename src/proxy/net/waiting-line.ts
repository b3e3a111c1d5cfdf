import type { MonotonicClock } from '../../domain/ports.ts';
import type { WaitQueue } from '../wait-queue.ts';

/** Whoever waits for a place at a backend. */
export interface Waiter {
  /** Looks for a place; false when there is none. It has left the line otherwise. */
  takeTurn(): boolean;
  /** It has waited too long, and has left the line. */
  waitedTooLong(): void;
}

interface Standing {
  readonly ticket: number;
  readonly sinceMs: number;
}

/** In the place of a ticket. */
export const NONE_WAITS = 0;

/**
 * The clients of one thread of Node that wait for a place, in the order in which they came: turns are given to the
 * first, when nobody in another thread has waited longer.
 */
export class WaitingLine {
  readonly #queue: WaitQueue;
  readonly #now: MonotonicClock;
  readonly #waiters = new Map<Waiter, Standing>();
  #timer: NodeJS.Timeout | undefined;
  #isStirred = false;

  constructor(queue: WaitQueue, now: MonotonicClock) {
    this.#queue = queue;
    this.#now = now;
  }

  /** Whether whoever comes now has to stand behind others. */
  get mustWait(): boolean {
    return this.#queue.isAnybodyWaiting;
  }

  /** The ticket of its first client. */
  get first(): number {
    const [first] = this.#waiters.values();
    return first?.ticket ?? NONE_WAITS;
  }

  /** False when too many wait already. */
  add(waiter: Waiter): boolean {
    const ticket = this.#queue.join();
    if (ticket === 0) return false;
    this.#waiters.set(waiter, { ticket, sinceMs: this.#now() });
    this.#publish();
    this.#timer ??= this.#wait();
    // Another thread may have freed a place before it could know.
    this.stir();
    return true;
  }

  /** Nothing when it does not wait. */
  remove(waiter: Waiter): void {
    if (!this.#waiters.delete(waiter)) return;
    this.#queue.leave();
    this.#publish();
    this.stir();
  }

  /** Something may have been freed, or the line has changed: turns are given before anything else happens. */
  stir(): void {
    if (this.#isStirred) return;
    if (this.#waiters.size === 0) return this.#queue.wakeFirst();
    this.#isStirred = true;
    queueMicrotask(() => this.#serve());
  }

  /** How long one may wait has changed: the time that they have waited counts. */
  boundsChanged(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#wait();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #serve(): void {
    const isServed = this.#giveTurns();
    // Not before: to look for a place in vain may give back what was held for a moment.
    this.#isStirred = false;
    if (isServed) this.#queue.wakeFirst();
  }

  /** False when there was no place for somebody. */
  #giveTurns(): boolean {
    for (const [waiter, { ticket }] of this.#waiters) {
      if (!this.#queue.isFirst(ticket)) return true;
      if (!waiter.takeTurn()) return false;
    }
    return true;
  }

  #publish(): void {
    this.#queue.publish(this.first);
  }

  #wait(): NodeJS.Timeout | undefined {
    const [first] = this.#waiters.values();
    if (first === undefined) return undefined;
    const deadlineMs = first.sinceMs + this.#queue.bounds.timeoutMs;
    return setTimeout(() => this.#expire(), Math.max(1, deadlineMs - this.#now()));
  }

  #expire(): void {
    const nowMs = this.#now();
    for (const [waiter, { sinceMs }] of this.#waiters) {
      if (sinceMs + this.#queue.bounds.timeoutMs > nowMs) break;
      this.remove(waiter);
      waiter.waitedTooLong();
    }
    this.#timer = this.#wait();
  }
}
