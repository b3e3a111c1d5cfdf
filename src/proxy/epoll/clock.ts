import { performance } from 'node:perf_hooks';

/** The time of the loop: read once a batch, the same for everything that happens in it. */
export class LoopClock {
  readonly #start = performance.now();
  readonly #startUnixMs = Date.now();
  /** Milliseconds since the loop began. */
  ms = 0;
  /** The whole ones of them, as 32 bits that wrap around after 49 days; see `since`. */
  tick = 0;

  read(): void {
    this.ms = performance.now() - this.#start;
    this.tick = Math.floor(this.ms) | 0;
  }

  /** Whole seconds of Unix time, as 32 bits without a sign. */
  get unixSecs(): number {
    return Math.floor((this.#startUnixMs + this.ms) / 1_000) | 0;
  }

  /** Milliseconds that have passed since an earlier tick, at most 24 days ago. */
  since(tick: number): number {
    return (this.tick - tick) | 0;
  }

  /** Microseconds at this moment, as 32 bits that wrap around after 71 minutes. */
  micros(): number {
    return Math.floor((performance.now() - this.#start) * 1_000) | 0;
  }

  /** Microseconds that have passed since an earlier `micros()`, at most 35 minutes ago. */
  microsSince(micros: number): number {
    return (this.micros() - micros) | 0;
  }
}

/** The smaller of two times, where -1 is never. */
export function soonest(a: number, b: number): number {
  if (a < 0) return b;
  return b < 0 ? a : Math.min(a, b);
}
