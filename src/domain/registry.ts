import { type Backend, sameBackend } from './backend.ts';
import type { MonotonicClock } from './ports.ts';
import { type RegisteredBackend, type RegisterOutcome, silenceOf, type Swept } from './registration.ts';

/** A registration as it is kept over a restart. */
export interface KeptRegistration {
  readonly backend: Backend;
  /** Unix time. */
  readonly registeredAtMs: number;
}

interface Entry extends KeptRegistration {
  /** Monotonic. */
  readonly heardMs: number;
}

export interface RegistryOptions {
  readonly ttlMs: () => number;
  readonly now: MonotonicClock;
  /** Unix time in milliseconds. */
  readonly wallClock: () => number;
  /** Whether an id belongs to a backend of the file. */
  readonly isTaken: (id: string) => boolean;
}

/** The registered backends of a daemon without a database. It does nothing by itself: time passes in `sweep`. */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** Takes over what was kept: it counts as heard of now, for who should have heard it was not there. */
  load(kept: readonly KeptRegistration[]): void {
    for (const one of kept) this.#entries.set(one.backend.id, { ...one, heardMs: this.#options.now() });
  }

  /** What to keep, ordered by id. */
  kept(): readonly KeptRegistration[] {
    return this.#ordered().map(({ backend, registeredAtMs }) => ({ backend, registeredAtMs }));
  }

  register(backend: Backend): RegisterOutcome {
    const { now, wallClock, isTaken } = this.#options;
    if (isTaken(backend.id)) return { result: 'taken', reason: 'is a backend of the configuration file' };
    const before = this.#entries.get(backend.id);
    this.#entries.set(backend.id, { backend, registeredAtMs: wallClock(), heardMs: now() });
    if (before === undefined) return { result: 'registered' };
    return { result: sameBackend(before.backend, backend) ? 'unchanged' : 'updated' };
  }

  heartbeat(id: string): 'heard' | 'revived' | 'unknown' {
    const entry = this.#entries.get(id);
    if (entry === undefined) return 'unknown';
    this.#entries.set(id, {
      ...entry,
      heardMs: this.#options.now(),
      backend: withExpiry(entry.backend, undefined),
    });
    return entry.backend.expired === true ? 'revived' : 'heard';
  }

  deregister(id: string): boolean {
    return this.#entries.delete(id);
  }

  find(id: string): RegisteredBackend | undefined {
    const entry = this.#entries.get(id);
    return entry && this.#show(entry);
  }

  list(): readonly RegisteredBackend[] {
    return this.#ordered().map((entry) => this.#show(entry));
  }

  /** Takes out who was silent for a TTL, and removes who was silent for another one. */
  sweep(watchedMs: number): Swept {
    const expired: string[] = [];
    const removed: string[] = [];
    for (const entry of this.#ordered()) {
      const { id, expired: isExpired = false } = entry.backend;
      const silence = silenceOf(this.#show(entry), isExpired, watchedMs);
      if (silence === 'expires') {
        expired.push(id);
        this.#entries.set(id, { ...entry, backend: withExpiry(entry.backend, true) });
      } else if (silence === 'is_over') {
        removed.push(id);
        this.#entries.delete(id);
      }
    }
    return { expired, removed };
  }

  #ordered(): readonly Entry[] {
    return [...this.#entries.values()].toSorted((a, b) => (a.backend.id < b.backend.id ? -1 : 1));
  }

  #show({ backend, registeredAtMs, heardMs }: Entry): RegisteredBackend {
    const { now, wallClock, ttlMs } = this.#options;
    return {
      backend,
      registeredMsAgo: Math.max(0, wallClock() - registeredAtMs),
      heardMsAgo: now() - heardMs,
      ttlMs: ttlMs(),
    };
  }
}

function withExpiry(backend: Backend, expired: true | undefined): Backend {
  return backend.expired === expired ? backend : Object.freeze({ ...backend, expired });
}
