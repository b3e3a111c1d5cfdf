import type { RefusalReason } from '../domain/outcome.ts';
import type { MonotonicClock } from '../domain/ports.ts';
import { classifyConnectError } from './connect-error.ts';
import type { Place } from './place.ts';
import type { Timeouts } from './timeouts.ts';

export interface AttemptsOptions {
  readonly now: MonotonicClock;
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
  #deadlineMs = 0;

  constructor(options: AttemptsOptions) {
    this.#options = options;
    this.renew();
  }

  /** Time begins anew. */
  renew(): void {
    const { timeouts, now } = this.#options;
    this.#deadlineMs = now() + timeouts.connectTimeoutMs * timeouts.connectAttempts;
  }

  start(): void {
    this.#startedMs = this.#options.now();
    this.error = undefined;
  }

  /** When the one under way has taken too long. */
  get deadlineMs(): number {
    return Math.min(this.#startedMs + this.#options.timeouts.connectTimeoutMs, this.#deadlineMs);
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
      cause !== 'exhausted' && this.tried.length < timeouts.connectAttempts && now() < this.#deadlineMs;
    if (mayTryAgain) return undefined;
    return isLocal ? 'local_error' : 'connect_failed';
  }
}
