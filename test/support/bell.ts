/** Wakes those who wait for a condition when something has happened that may have met it. */
export class Bell {
  #waiters: (() => void)[] = [];

  ring(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Resolves once the condition is met; rejects when that takes so long that it never will be. */
  async until(isMet: () => boolean, what: () => string, timeoutMs = 15_000): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`stuck: ${what()}`)), timeoutMs);
    // Nobody may be waiting when it is late.
    late.promise.catch(() => {});
    try {
      while (!isMet()) await Promise.race([late.promise, this.#rung()]);
    } finally {
      clearTimeout(timer);
    }
  }

  #rung(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
}
