import type { MonotonicClock } from '../../domain/ports.ts';
import type { WaitQueue } from '../wait-queue.ts';

/** Whoever waits for a place at a backend. */
export interface Waiter {
  /** Looks for a place; false when there is none. It has left the line otherwise. */
  takeTurn(): boolean;
  /** It has waited too long, and has left the line. */
  waitedTooLong(): void;
}

/** The clients of the portable engine that wait for a place, in the order in which they came. */
export class WaitingLine {
  readonly #queue: WaitQueue;
  readonly #now: MonotonicClock;
  /** With the time since when each has waited. */
  readonly #waiters = new Map<Waiter, number>();
  #timer: NodeJS.Timeout | undefined;
  #isStirred = false;

  constructor(queue: WaitQueue, now: MonotonicClock) {
    this.#queue = queue;
    this.#now = now;
  }

  /** Whether whoever comes now has to stand behind others. */
  get mustWait(): boolean {
    return this.#waiters.size > 0;
  }

  /** False when too many wait already. */
  add(waiter: Waiter): boolean {
    if (this.#queue.join() === 0) return false;
    this.#waiters.set(waiter, this.#now());
    this.#timer ??= this.#wait();
    return true;
  }

  /** Nothing when it does not wait. */
  remove(waiter: Waiter): void {
    if (this.#waiters.delete(waiter)) this.#queue.leave();
  }

  /** Something may have been freed: turns are given before anything else happens. */
  stir(): void {
    if (this.#isStirred || this.#waiters.size === 0) return;
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
    for (const waiter of this.#waiters.keys()) if (!waiter.takeTurn()) break;
    // Not before: to look for a place in vain may give back what was held for a moment.
    this.#isStirred = false;
  }

  #wait(): NodeJS.Timeout | undefined {
    const [first] = this.#waiters.values();
    if (first === undefined) return undefined;
    return setTimeout(() => this.#expire(), Math.max(1, first + this.#queue.bounds.timeoutMs - this.#now()));
  }

  #expire(): void {
    const nowMs = this.#now();
    for (const [waiter, sinceMs] of this.#waiters) {
      if (sinceMs + this.#queue.bounds.timeoutMs > nowMs) break;
      this.remove(waiter);
      waiter.waitedTooLong();
    }
    this.#timer = this.#wait();
  }
}
