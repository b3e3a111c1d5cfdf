import type { MonotonicClock } from '../../domain/ports.ts';

/** A dial under way. */
export interface TimedDial {
  /** On the clock's scale. */
  readonly dialDeadlineMs: number;
  dialExpired(): void;
}

/** Ends the dials that have taken too long: one timer for all, set only while there are some. */
export class DialClock {
  readonly #now: MonotonicClock;
  readonly #dials = new Set<TimedDial>();
  #timer: NodeJS.Timeout | undefined;

  constructor(now: MonotonicClock) {
    this.#now = now;
  }

  /** Its deadline is not before those of all that were added earlier, but for the moments that they are late. */
  add(dial: TimedDial): void {
    this.#dials.add(dial);
    if (this.#timer === undefined) this.#wait(dial.dialDeadlineMs);
  }

  delete(dial: TimedDial): void {
    this.#dials.delete(dial);
  }

  /** Deadlines have changed. */
  deadlinesChanged(): void {
    this.close();
    this.#waitForNext();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(deadlineMs: number): void {
    this.#timer = setTimeout(() => this.#expire(), Math.max(1, deadlineMs - this.#now()));
  }

  #expire(): void {
    this.#timer = undefined;
    const nowMs = this.#now();
    for (const dial of this.#dials) {
      if (dial.dialDeadlineMs > nowMs) continue;
      this.#dials.delete(dial);
      dial.dialExpired();
    }
    this.#waitForNext();
  }

  #waitForNext(): void {
    let nextMs = Infinity;
    for (const { dialDeadlineMs } of this.#dials) nextMs = Math.min(nextMs, dialDeadlineMs);
    // Another dial may have been begun meanwhile, and set the timer for itself.
    this.close();
    if (nextMs < Infinity) this.#wait(nextMs);
  }
}
