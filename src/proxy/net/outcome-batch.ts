import type { Outcome } from '../../domain/outcome.ts';
import type { OutcomeSink } from '../../domain/ports.ts';

/** Gathers the outcomes of a turn of the event loop, and tells them at its end. */
export class OutcomeBatch {
  readonly #tell: OutcomeSink;
  #outcomes: Outcome[] = [];

  constructor(tell: OutcomeSink) {
    this.#tell = tell;
  }

  add(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    if (this.#outcomes.length > 1) return;
    setImmediate(() => {
      const batch = this.#outcomes;
      this.#outcomes = [];
      this.#tell(batch);
    });
  }
}
