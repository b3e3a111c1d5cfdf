import type { MonotonicClock } from '../../domain/ports.ts';
import type { WaitQueue } from '../wait-queue.ts';
import { WaitingLine } from './waiting-line.ts';

export interface WaitingLinesOptions {
  readonly queueOf: (app: number) => WaitQueue;
  /** Whether clients of an app may be sent to a backend. */
  readonly serves: (app: number, tenancy: number) => boolean;
  readonly now: MonotonicClock;
}

/** The clients of the portable engine that wait for a place, in a line for each app. */
export class WaitingLines {
  readonly #options: WaitingLinesOptions;
  readonly #byApp = new Map<number, WaitingLine>();

  constructor(options: WaitingLinesOptions) {
    this.#options = options;
  }

  of(app: number): WaitingLine {
    let line = this.#byApp.get(app);
    if (line === undefined) {
      const { queueOf, now } = this.#options;
      line = new WaitingLine(queueOf(app), now);
      this.#byApp.set(app, line);
    }
    return line;
  }

  /** Whether somebody waits who might be served by this backend. */
  isCrowdedAt(tenancy: number): boolean {
    for (const [app, line] of this.#byApp)
      if (line.mustWait && this.#options.serves(app, tenancy)) return true;
    return false;
  }

  /** Something may have been freed. */
  stir(): void {
    for (const line of this.#byApp.values()) line.stir();
  }

  /** How long one may wait has changed. */
  boundsChanged(): void {
    for (const line of this.#byApp.values()) line.boundsChanged();
  }

  close(): void {
    for (const line of this.#byApp.values()) line.close();
  }
}
