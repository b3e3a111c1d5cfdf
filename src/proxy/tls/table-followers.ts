import type { RouteTable } from '../routes.ts';
import type { ThreadSlot } from '../thread-slot.ts';

/** Which tables the threads route by that have been told of each. */
export class TableFollowers {
  readonly #threads: readonly ThreadSlot<unknown>[];
  readonly #onInForce: (version: number) => void;
  #newest: RouteTable | undefined;

  /** @param onInForce no thread routes by an older version any more */
  constructor(threads: readonly ThreadSlot<unknown>[], onInForce: (version: number) => void) {
    this.#threads = threads;
    this.#onInForce = onInForce;
  }

  get newest(): RouteTable | undefined {
    return this.#newest;
  }

  told(table: RouteTable): void {
    this.#newest = table;
    this.consider();
  }

  /** A thread that has not taken the newest table over may route by any older one. */
  mayRouteTo(tenancy: number): boolean {
    const table = this.#newest;
    return table !== undefined && (this.#oldest < table.version || table.tenancies.includes(tenancy));
  }

  /** A thread has taken a table over, or has gone. */
  consider(): void {
    const version = Math.min(this.#newest?.version ?? -1, this.#oldest);
    if (version >= 0) queueMicrotask(() => this.#onInForce(version));
  }

  get #oldest(): number {
    const ready = this.#threads.filter(({ isReady }) => isReady);
    return Math.min(...ready.map(({ version }) => version));
  }
}
