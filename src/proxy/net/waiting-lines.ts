import type { MonotonicClock } from '../../domain/ports.ts';
import type { WaitQueues } from '../wait-queue.ts';
import { NONE_WAITS, WaitingLine } from './waiting-line.ts';

export interface WaitingLinesOptions {
  readonly queues: WaitQueues;
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
      const { queues, now } = this.#options;
      line = new WaitingLine(queues.of(app), now);
      this.#byApp.set(app, line);
    }
    return line;
  }

  /** Whether somebody waits who might be served by this backend. */
  isCrowdedAt(tenancy: number): boolean {
    const { queues, serves } = this.#options;
    return queues.isAnybodyWaitingFor((app) => serves(app, tenancy));
  }

  /** This thread may have freed something: turns are given here and elsewhere. */
  freed(): void {
    if (!this.#options.queues.isAnybodyWaiting) return;
    this.stir();
    this.#options.queues.wakeOthers();
  }

  /**
   * Another thread may have freed something, and has told whom it concerns: turns are given here. Who has waited longest
   * comes first, where several lines share a backend.
   */
  stir(): void {
    const lines = [...this.#byApp.values()].filter(({ first }) => first !== NONE_WAITS);
    for (const line of lines.toSorted((one, other) => (one.first - other.first) | 0)) line.stir();
  }

  /** How long one may wait has changed. */
  boundsChanged(): void {
    for (const line of this.#byApp.values()) line.boundsChanged();
  }

  close(): void {
    for (const line of this.#byApp.values()) line.close();
  }
}
