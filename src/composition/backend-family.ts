import { type ActorOptions, type ActorRefFrom, type AnyActorLogic, createActor } from 'xstate';
import { type Backend, incarnationOf } from '../domain/backend.ts';
import { type CircuitGate, type Member, OPEN_GATE } from '../domain/eligibility.ts';
import type { HealthCheckSettings, HealthStatus, HealthVerdict } from '../domain/health.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { MonotonicClock, Random } from '../domain/ports.ts';
import { backendMachine, type BackendPhase, type DownPolicy } from '../machines/backend.ts';
import {
  circuitBreakerMachine,
  circuitGateOf,
  type CircuitBreakerSettings,
  type CircuitState,
  type TransitionCause,
} from '../machines/circuit-breaker.ts';
import { type healthCheckerMachine, healthStatusOf } from '../machines/health-checker.ts';

export type Clock = NonNullable<ActorOptions<AnyActorLogic>['clock']>;

/** What a family needs to live; machines are the provided ones, shared by all families. */
export interface FamilyOptions {
  readonly drainTimeoutMs: number;
  readonly downPolicy: DownPolicy;
  /** `undefined` while breakers are off. */
  readonly circuit: CircuitBreakerSettings | undefined;
  /** `undefined` while health checks are off. */
  readonly checker: typeof healthCheckerMachine | undefined;
  readonly checkSettingsOf: (backend: Backend) => HealthCheckSettings;
  readonly now: MonotonicClock;
  readonly random: Random;
  /** Runs the timers of the machines; default: the real one. */
  readonly clock?: Clock | undefined;
}

/** What a family tells its fleet. */
export interface FamilyEvents {
  /** `member` is another one than before. */
  readonly onChanged: (family: BackendFamily) => void;
  /** It has other actors than before, or is no longer the one that goes by the id of its backend. */
  readonly onActorsChanged: () => void;
  readonly onRemoved: (family: BackendFamily) => void;
  readonly onCut: (family: BackendFamily) => void;
  readonly onTransition: (family: BackendFamily, to: CircuitState, cause: TransitionCause) => void;
  readonly onVerdict: (family: BackendFamily, verdict: HealthVerdict, lastError: string | undefined) => void;
  readonly onProbed: (ok: boolean) => void;
  /** A probe could not be made, for a reason that lies with this machine. */
  readonly onNotProbed: (family: BackendFamily, error: string) => void;
}

/**
 * The actors of one incarnation of a backend, and what they say together.
 *
 *     row ───────────► backend   active > draining > removed ─┐
 *     outcomes ──────► breaker   closed / open / halfOpen     ├─► member
 *     probes ────────► checker   unknown / healthy / unhealthy┘
 *
 * Each is a root actor; none overrules another.
 */
export class BackendFamily {
  readonly incarnation: string;
  readonly breaker: ActorRefFrom<typeof circuitBreakerMachine> | undefined;
  readonly #options: FamilyOptions;
  readonly #events: FamilyEvents;
  #backend: Backend;
  #life: ActorRefFrom<typeof backendMachine> | undefined;
  #checker: ActorRefFrom<typeof healthCheckerMachine> | undefined;
  #phase: BackendPhase = 'active';
  /** The grant in force; one that nobody has taken a permit of is as good as new. */
  #grant: number | undefined;
  #hasTrials = false;

  /** @param firstEpoch above every epoch of an earlier family of this incarnation, whose outcomes may still come */
  constructor(backend: Backend, firstEpoch: number, options: FamilyOptions, events: FamilyEvents) {
    this.incarnation = incarnationOf(backend);
    this.#backend = backend;
    this.#options = options;
    this.#events = events;
    this.breaker = options.circuit && this.#createBreaker(options.circuit, firstEpoch);
    this.#checker = this.#createChecker();
  }

  /** Comes into being when it is first needed: nearly every backend is in its first state, and there are many. */
  get life(): ActorRefFrom<typeof backendMachine> {
    return (this.#life ??= this.#createLife());
  }

  /** Its life, if that has been needed yet. */
  get begunLife(): ActorRefFrom<typeof backendMachine> | undefined {
    return this.#life;
  }

  get backend(): Backend {
    return this.#backend;
  }

  get isDraining(): boolean {
    return this.#phase === 'draining';
  }

  get checker(): ActorRefFrom<typeof healthCheckerMachine> | undefined {
    return this.#checker;
  }

  /** Above every epoch and grant that its breaker has given out. */
  get nextEpoch(): number {
    const { epoch, grant } = this.breaker?.getSnapshot().context ?? { epoch: 0, grant: 0 };
    return Math.max(epoch, grant) + 1;
  }

  get circuitState(): CircuitState | undefined {
    const snapshot = this.breaker?.getSnapshot();
    if (snapshot === undefined) return undefined;
    if (snapshot.matches('open')) return 'open';
    return snapshot.matches('halfOpen') ? 'halfOpen' : 'closed';
  }

  /** Its breaker is closed and has nothing to forget, or there is none. */
  get isAtEase(): boolean {
    const snapshot = this.breaker?.getSnapshot();
    return snapshot === undefined || (snapshot.matches('closed') && snapshot.context.failures === 0);
  }

  get health(): HealthStatus | undefined {
    return this.#checker && healthStatusOf(this.#checker.getSnapshot());
  }

  get member(): Member {
    return {
      backend: this.#backend,
      isDraining: this.isDraining,
      verdict: this.health?.verdict ?? 'healthy',
      gate: this.#gate(),
    };
  }

  start(): void {
    this.breaker?.start();
    this.#checker?.start();
  }

  /** Takes over a row of the same id and address, after a change or because it is back. */
  update(backend: Backend): void {
    this.#backend = backend;
    if (this.isDraining) {
      this.life.send({ type: 'RESTORED' });
      this.#checker = this.#createChecker();
      this.#checker?.start();
      this.#events.onActorsChanged();
    } else {
      this.#checker?.send({ type: 'SETTINGS_CHANGED', settings: this.#options.checkSettingsOf(backend) });
    }
    this.#events.onChanged(this);
  }

  /** Its row is gone. */
  remove(): void {
    this.#checker?.stop();
    this.#checker = undefined;
    this.life.send({ type: 'REMOVED' });
    this.#events.onActorsChanged();
  }

  /** Its last connection has ended. */
  becameIdle(): void {
    this.life.send({ type: 'IDLE' });
  }

  report({ epoch, result }: Outcome): void {
    if (this.breaker === undefined) return;
    if (result === 'trial') {
      this.#hasTrials = true;
      return;
    }
    const isSuccess = result === 'success';
    // Nearly every outcome is a success of a circuit that has nothing to forget.
    if (isSuccess && this.isAtEase) return;
    this.breaker.send({ type: isSuccess ? 'CONNECTION_SUCCEEDED' : 'CONNECTION_FAILED', epoch });
  }

  stop(): void {
    this.#life?.stop();
    this.breaker?.stop();
    this.#checker?.stop();
  }

  get #clock(): { readonly clock?: Clock } {
    return this.#options.clock === undefined ? {} : { clock: this.#options.clock };
  }

  /** An event is emitted before the snapshot that it belongs to can be read. */
  #changed(): void {
    queueMicrotask(() => this.#events.onChanged(this));
  }

  #createLife(): ActorRefFrom<typeof backendMachine> {
    const life = createActor(backendMachine, {
      ...this.#clock,
      input: { drainTimeoutMs: this.#options.drainTimeoutMs, now: this.#options.now },
    });
    life.on('PHASE_CHANGED', ({ phase }) => {
      this.#phase = phase;
      if (phase === 'removed') this.#events.onRemoved(this);
      else this.#events.onChanged(this);
    });
    life.on('CUT', () => this.#events.onCut(this));
    this.#events.onActorsChanged();
    return life.start();
  }

  #createBreaker(
    settings: CircuitBreakerSettings,
    firstEpoch: number,
  ): ActorRefFrom<typeof circuitBreakerMachine> {
    const breaker = createActor(circuitBreakerMachine, {
      ...this.#clock,
      input: { settings, now: this.#options.now, firstEpoch },
    });
    breaker.on('*', (event) => {
      if (event.type === 'TRANSITIONED') this.#events.onTransition(this, event.to, event.cause);
      else if (!this.#hasTrials) return;
      this.#hasTrials = false;
      this.#grant = undefined;
      this.#changed();
    });
    return breaker;
  }

  #createChecker(): ActorRefFrom<typeof healthCheckerMachine> | undefined {
    const { checker: machine, checkSettingsOf, now, random } = this.#options;
    if (machine === undefined) return undefined;
    const { host, port } = this.#backend;
    const settings = checkSettingsOf(this.#backend);
    const checker = createActor(machine, { ...this.#clock, input: { host, port, settings, now, random } });
    checker.on('*', (event) => {
      if (event.type === 'VERDICT_CHANGED') this.#judged(event.verdict, event.lastError);
      else if (event.type === 'PROBED') this.#events.onProbed(event.result.ok);
      else this.#events.onNotProbed(this, event.error);
    });
    return checker;
  }

  #gate(): CircuitGate {
    if (this.breaker === undefined) return OPEN_GATE;
    const gate = circuitGateOf(this.breaker.getSnapshot());
    this.#grant ??= gate.grant;
    return { ...gate, grant: this.#grant };
  }

  #judged(verdict: HealthVerdict, lastError: string | undefined): void {
    this.#events.onVerdict(this, verdict, lastError);
    const isUp = verdict === 'healthy';
    // A life that has not begun is in its first state, where coming up means nothing.
    if (!isUp) this.life.send({ type: 'WENT_DOWN', policy: this.#options.downPolicy });
    else this.#life?.send({ type: 'CAME_UP' });
    this.#changed();
  }
}
