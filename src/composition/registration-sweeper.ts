import { limitedWarning } from '../domain/limited-log.ts';
import type { Logger, MonotonicClock } from '../domain/ports.ts';
import { type Registrar, type RegistrationWitness, Watch } from '../domain/registration.ts';
import { messageOf } from '../errors.ts';

export interface RegistrationSweeperOptions {
  readonly registrar: Registrar;
  readonly witness: RegistrationWitness;
  readonly ttlMs: () => number;
  readonly logger: Logger;
  readonly now: MonotonicClock;
}

const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 5_000;

/** A TTL is noticed to have passed within this share of it. */
const SWEEPS_PER_TTL = 10;

/** A pause between two sweeps that is longer than a busy daemon explains: it was frozen. */
const BREAK_MS = 2_000;

const OUTAGE_LOG_MS = 60_000;

/** Sweeps registrations again and again, one sweep at a time. While it cannot, nobody expires. */
export class RegistrationSweeper {
  readonly #options: RegistrationSweeperOptions;
  readonly #watch: Watch;
  readonly #warn;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: RegistrationSweeperOptions) {
    this.#options = options;
    this.#watch = new Watch(MAX_INTERVAL_MS + BREAK_MS);
    const { logger, now } = options;
    this.#warn = limitedWarning(logger, 'registrations are not swept, nobody expires', now, OUTAGE_LOG_MS);
  }

  start(): void {
    this.#sweeping = this.#sweep();
  }

  /** Resolves when the sweep under way is over. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { registrar, witness, ttlMs, now } = this.#options;
    try {
      const { expired, removed } = await registrar.sweep(this.#watch.look(now()));
      for (const id of expired) witness.changed('expired', id);
      for (const id of removed) witness.changed('removed', id);
      this.#warn.reset();
    } catch (thrown) {
      this.#watch.break();
      if (!this.#isStopped) this.#warn.warn({ error: messageOf(thrown) });
    }
    if (this.#isStopped) return;
    const intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, ttlMs() / SWEEPS_PER_TTL));
    this.#timer = setTimeout(() => this.start(), intervalMs);
  }
}
