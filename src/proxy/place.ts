import type { FailureCause, Outcome } from '../domain/outcome.ts';
import type { Counters } from './counters.ts';
import { NO_PERMIT } from './gates.ts';
import type { Router } from './router.ts';
import type { Occupant } from './slot-table.ts';

export interface PlaceOptions {
  readonly router: Router;
  readonly counters: Counters;
  readonly report: (outcome: Outcome) => void;
}

/** A reserved place at a backend: tells one outcome at most, and is given back exactly once. */
export class Place {
  readonly occupant: Occupant;
  readonly #options: PlaceOptions;
  /** Of the backend's breaker, when the place was taken; goes with every outcome. */
  readonly #epoch: number;
  /** Held while the breaker is half-open, until it is settled. */
  #permit: number;
  #isReported = false;
  #isConnected = false;
  /** Handed on so far. */
  bytesSent = 0;
  bytesReceived = 0;

  /** Of the place that `Router.enter` has just reserved. */
  constructor(occupant: Occupant, options: PlaceOptions) {
    this.occupant = occupant;
    this.#options = options;
    this.#epoch = options.router.epoch;
    this.#permit = options.router.permit;
    if (this.#permit !== NO_PERMIT) options.report({ ...this.#about(), result: 'trial' });
  }

  /** Whether another connection may be opened for it: nobody asks for a permit that it does not have. */
  get mayBeRedialled(): boolean {
    return this.#options.router.mayRedial(this.occupant.tenancy, this.#epoch);
  }

  /** There is a connection for it. Another one in its stead is none more. */
  connected(rttSeconds: number): void {
    if (this.#isConnected) return;
    this.#isConnected = true;
    this.#options.counters.connected(this.occupant.slot, rttSeconds);
  }

  sent(bytes: number): void {
    this.bytesSent += bytes;
    this.#options.counters.sent(this.occupant.slot, bytes);
  }

  received(bytes: number): void {
    this.bytesReceived += bytes;
    this.#options.counters.received(this.occupant.slot, bytes);
  }

  succeeded(): void {
    if (this.#isReported) return;
    this.#isReported = true;
    this.#settle('success');
    this.#options.report({ ...this.#about(), result: 'success' });
  }

  /** It has ended without a byte in return. @param fault absent where it owed none */
  endedSilently(fault: FailureCause | undefined): void {
    if (fault === undefined) this.succeeded();
    else this.failed(fault, 'no byte in return');
  }

  failed(cause: FailureCause, detail: string): void {
    if (this.#isReported) return;
    this.#isReported = true;
    this.#settle('failure');
    this.#options.counters.errors[this.occupant.slot]!++;
    this.#options.report({ ...this.#about(), result: 'failure', cause, detail });
  }

  /** Gives the place back, after its permit. */
  leave(): void {
    this.#settle('none');
    this.#options.router.leave(this.occupant.slot);
  }

  #settle(result: 'success' | 'failure' | 'none'): void {
    this.#options.router.settle(this.occupant.slot, this.#permit, result);
    this.#permit = NO_PERMIT;
  }

  #about() {
    return { incarnation: this.occupant.incarnation, epoch: this.#epoch };
  }
}
