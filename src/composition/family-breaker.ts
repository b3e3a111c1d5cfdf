import { type ActorOptions, type ActorRefFrom, type AnyActorLogic, createActor } from 'xstate';
import { type CircuitGate, OPEN_GATE } from '../domain/eligibility.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { MonotonicClock } from '../domain/ports.ts';
import {
  circuitBreakerMachine,
  circuitGateOf,
  type CircuitBreakerSettings,
  type CircuitState,
  type TransitionCause,
} from '../machines/circuit-breaker.ts';

export type Clock = NonNullable<ActorOptions<AnyActorLogic>['clock']>;

export interface FamilyBreakerOptions {
  readonly now: MonotonicClock;
  /** Runs the timers of the machine; default: the real one. */
  readonly clock?: Clock | undefined;
}

/** Whose breaker it is: told by calls, as there are as many as backends, and closures would weigh. */
export interface BreakerOwner {
  breakerTransitioned(to: CircuitState, cause: TransitionCause): void;
  /** The gate is another one than before. */
  gateChanged(): void;
  /** The breaker has another actor than before, or none. */
  breakerReplaced(): void;
}

/** The breaker of a family, while breakers are on. */
export class FamilyBreaker {
  readonly #options: FamilyBreakerOptions;
  readonly #owner: BreakerOwner;
  #actor: ActorRefFrom<typeof circuitBreakerMachine> | undefined;
  /** Of the next actor: above every epoch and grant that an earlier one has given out. */
  #firstEpoch: number;
  /** The grant in force; one that nobody has taken a permit of is as good as new. */
  #grant: number | undefined;
  #hasTrials = false;

  constructor(
    settings: CircuitBreakerSettings | undefined,
    firstEpoch: number,
    options: FamilyBreakerOptions,
    owner: BreakerOwner,
  ) {
    this.#firstEpoch = firstEpoch;
    this.#options = options;
    this.#owner = owner;
    this.#actor = settings && this.#create(settings);
  }

  get actor(): ActorRefFrom<typeof circuitBreakerMachine> | undefined {
    return this.#actor;
  }

  /** Above every epoch and grant that was given out. */
  get nextEpoch(): number {
    if (this.#actor === undefined) return this.#firstEpoch;
    const { epoch, grant } = this.#actor.getSnapshot().context;
    return Math.max(epoch, grant) + 1;
  }

  get state(): CircuitState | undefined {
    return this.#actor?.getSnapshot().value;
  }

  /** It is closed and has nothing to forget, or there is none. */
  get isAtEase(): boolean {
    const snapshot = this.#actor?.getSnapshot();
    return snapshot === undefined || (snapshot.matches('closed') && snapshot.context.failures === 0);
  }

  gate(): CircuitGate {
    if (this.#actor === undefined) return OPEN_GATE;
    const gate = circuitGateOf(this.#actor.getSnapshot());
    this.#grant ??= gate.grant;
    return { ...gate, grant: this.#grant };
  }

  start(): void {
    this.#actor?.start();
  }

  stop(): void {
    this.#actor?.stop();
  }

  /** Goes by other settings: counts and the time that was spent stay. Without settings there is no breaker. */
  follow(settings: CircuitBreakerSettings | undefined): void {
    if (settings !== undefined && this.#actor !== undefined)
      return this.#actor.send({ type: 'SETTINGS_CHANGED', settings });
    this.#firstEpoch = this.nextEpoch;
    this.#actor?.stop();
    this.#actor = settings && this.#create(settings);
    this.#actor?.start();
    this.#forgetTrials();
    this.#owner.breakerReplaced();
  }

  report({ epoch, result }: Outcome): void {
    if (this.#actor === undefined) return;
    if (result === 'trial') {
      this.#hasTrials = true;
      return;
    }
    const isSuccess = result === 'success';
    // Nearly every outcome is a success of a circuit that has nothing to forget.
    if (isSuccess && this.isAtEase) return;
    this.#actor.send({ type: isSuccess ? 'CONNECTION_SUCCEEDED' : 'CONNECTION_FAILED', epoch });
  }

  #create(settings: CircuitBreakerSettings): ActorRefFrom<typeof circuitBreakerMachine> {
    const { now, clock } = this.#options;
    const actor = createActor(circuitBreakerMachine, {
      ...(clock === undefined ? {} : { clock }),
      input: { settings, now, firstEpoch: this.#firstEpoch },
    });
    actor.on('*', (event) => {
      if (event.type === 'TRANSITIONED') this.#owner.breakerTransitioned(event.to, event.cause);
      else if (!this.#hasTrials) return;
      this.#forgetTrials();
      this.#owner.gateChanged();
    });
    return actor;
  }

  #forgetTrials(): void {
    this.#hasTrials = false;
    this.#grant = undefined;
  }
}
