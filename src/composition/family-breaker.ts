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
  readonly clock: Clock | undefined;
  readonly onTransition: (to: CircuitState, cause: TransitionCause) => void;
  /** The gate is another one than before. */
  readonly onChanged: () => void;
  /** It has another actor than before, or none. */
  readonly onActorChanged: () => void;
}

/** The breaker of a family, while breakers are on. */
export class FamilyBreaker {
  readonly #options: FamilyBreakerOptions;
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
  ) {
    this.#firstEpoch = firstEpoch;
    this.#options = options;
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
    this.#options.onActorChanged();
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
    const { now, clock, onTransition, onChanged } = this.#options;
    const actor = createActor(circuitBreakerMachine, {
      ...(clock === undefined ? {} : { clock }),
      input: { settings, now, firstEpoch: this.#firstEpoch },
    });
    actor.on('*', (event) => {
      if (event.type === 'TRANSITIONED') onTransition(event.to, event.cause);
      else if (!this.#hasTrials) return;
      this.#forgetTrials();
      onChanged();
    });
    return actor;
  }

  #forgetTrials(): void {
    this.#hasTrials = false;
    this.#grant = undefined;
  }
}
