import type { RefusalReason } from '../domain/outcome.ts';
import type { MonotonicClock } from '../domain/ports.ts';
import { classifyConnectError } from './connect-error.ts';
import type { Place } from './place.ts';
import type { Timeouts } from './timeouts.ts';

export interface AttemptsOptions {
  readonly now: MonotonicClock;
  /** Read anew each time. */
  readonly timeouts: Timeouts;
  /** A connect failed for a reason that lies with this machine; called once an attempt. */
  readonly onLocalTrouble: (backendId: string, detail: string) => void;
}

/** The backend is to be left; it has done nothing wrong. */
export const ABANDONED = 'ABANDONED';

/** The attempts of one client to be connected, within a number of them and one deadline for all. */
export class Attempts {
  /** Slots of the backends that have failed this client. */
  readonly tried: number[] = [];
  /** Why the one under way has failed: an error of the system, or `ABANDONED`. */
  error: string | undefined;
  readonly #options: AttemptsOptions;
  #startedMs = 0;
  #firstMs = 0;

  constructor(options: AttemptsOptions) {
    this.#options = options;
    this.renew();
  }

  /** All begins anew. */
  renew(): void {
    this.tried.length = 0;
    this.#firstMs = this.#options.now();
  }

  start(): void {
    this.#startedMs = this.#options.now();
    this.error = undefined;
  }

  /** Whether the last one has failed for want of descriptors. */
  get isExhausted(): boolean {
    return classifyConnectError(this.error) === 'exhausted';
  }

  /** When the one under way has taken too long. */
  get deadlineMs(): number {
    return Math.min(this.#startedMs + this.#options.timeouts.connectTimeoutMs, this.#lastDeadlineMs);
  }

  get #lastDeadlineMs(): number {
    const { connectTimeoutMs, connectAttempts } = this.#options.timeouts;
    return this.#firstMs + connectTimeoutMs * connectAttempts;
  }

  get tookMs(): number {
    return this.#options.now() - this.#startedMs;
  }

  /** Charges a failure to whom it belongs; returns why the client is refused, or nothing when it may try again. */
  failedAt(place: Place): RefusalReason | undefined {
    const { onLocalTrouble, timeouts, now } = this.#options;
    const { slot, backend } = place.occupant;
    const cause = this.error === ABANDONED ? 'abandoned' : classifyConnectError(this.error);
    const detail = `connect ${this.error ?? 'ended'} ${backend.host}:${backend.port}`;
    const isLocal = cause === 'exhausted' || cause === 'local';
    if (isLocal) onLocalTrouble(backend.id, detail);
    else if (cause !== 'abandoned') place.failed(cause, detail);
    this.tried.push(slot);
    const mayTryAgain =
      cause !== 'exhausted' && this.tried.length < timeouts.connectAttempts && now() < this.#lastDeadlineMs;
    if (mayTryAgain) return undefined;
    return isLocal ? 'local_error' : 'connect_failed';
  }
}
