/** Threads that are to be started again after a while. */
export class Restarts {
  readonly #timers = new Set<NodeJS.Timeout>();

  later(start: () => void, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      start();
    }, delayMs);
    this.#timers.add(timer);
  }

  /** None of them is started. */
  cancel(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
