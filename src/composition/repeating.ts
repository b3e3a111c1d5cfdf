import type { MonotonicClock } from '../domain/ports.ts';

/** Does something again and again; an interval that changes counts from the last time. */
export class Repeating {
  readonly #act: () => void;
  readonly #now: MonotonicClock;
  #intervalMs: number;
  #lastMs: number;
  #timer: NodeJS.Timeout;

  constructor(act: () => void, intervalMs: number, now: MonotonicClock) {
    this.#act = act;
    this.#now = now;
    this.#intervalMs = intervalMs;
    this.#lastMs = now();
    this.#timer = this.#wait();
  }

  change(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    clearTimeout(this.#timer);
    this.#timer = this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #wait(): NodeJS.Timeout {
    return setTimeout(
      () => {
        this.#lastMs = this.#now();
        this.#timer = this.#wait();
        this.#act();
      },
      Math.max(0, this.#lastMs + this.#intervalMs - this.#now()),
    );
  }
}
