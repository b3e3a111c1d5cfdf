import type { MonotonicClock } from '../domain/ports.ts';

export interface AffinityOptions {
  /** How long a client stays bound after its last connection; 0 turns affinity off. */
  readonly ttlMs: number;
  readonly now: MonotonicClock;
  /** Bindings kept at most; the one that was idle longest goes first. */
  readonly maxBindings?: number;
}

interface Binding {
  readonly incarnation: string;
  readonly lastSeenMs: number;
}

/**
 * Remembers which backend served a client address last, for a while.
 *
 * A binding is a preference: whoever asks still checks that the backend is eligible and has room. The map is kept
 * in the order of last use, so expiry looks only at what it removes.
 */
export class Affinity {
  readonly #bindings = new Map<string, Binding>();
  readonly #ttlMs: number;
  readonly #now: MonotonicClock;
  readonly #maxBindings: number;

  constructor({ ttlMs, now, maxBindings = 1_000_000 }: AffinityOptions) {
    this.#ttlMs = ttlMs;
    this.#now = now;
    this.#maxBindings = maxBindings;
  }

  get size(): number {
    return this.#bindings.size;
  }

  /** The incarnation that the client is bound to, when the binding has not expired. */
  boundTo(client: string): string | undefined {
    const binding = this.#bindings.get(client);
    return binding === undefined || this.#isExpired(binding) ? undefined : binding.incarnation;
  }

  /** Binds the client, or renews its binding; to be called when a connection has been established. */
  bind(client: string, incarnation: string): void {
    if (this.#ttlMs === 0) return;
    this.#bindings.delete(client);
    this.#bindings.set(client, { incarnation, lastSeenMs: this.#now() });
    if (this.#bindings.size > this.#maxBindings) this.#deleteOldest();
  }

  /** Removes what has expired; returns how many bindings that were. */
  collectGarbage(): number {
    const before = this.#bindings.size;
    for (const [client, binding] of this.#bindings) {
      if (!this.#isExpired(binding)) break;
      this.#bindings.delete(client);
    }
    return before - this.#bindings.size;
  }

  #isExpired({ lastSeenMs }: Binding): boolean {
    return this.#now() - lastSeenMs >= this.#ttlMs;
  }

  #deleteOldest(): void {
    for (const client of this.#bindings.keys()) {
      this.#bindings.delete(client);
      return;
    }
  }
}
