import { isDeepStrictEqual } from 'node:util';
import { type ActorRefFrom, createActor } from 'xstate';
import { type Backend, incarnationOf } from '../domain/backend.ts';
import type { Member } from '../domain/eligibility.ts';
import type { HealthCheckSettings, HealthStatus, HealthVerdict } from '../domain/health.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Random } from '../domain/ports.ts';
import { backendMachine, type BackendPhase, type DownPolicy } from '../machines/backend.ts';
import type {
  circuitBreakerMachine,
  CircuitBreakerSettings,
  CircuitState,
  TransitionCause,
} from '../machines/circuit-breaker.ts';
import { type healthCheckerMachine, healthStatusOf } from '../machines/health-checker.ts';
import { type BreakerOwner, type Clock, FamilyBreaker, type FamilyBreakerOptions } from './family-breaker.ts';

/** What settings say about every family, and may say otherwise later; machines are the provided ones, shared by all. */
export interface FamilyPolicy {
  readonly drainTimeoutMs: number;
  readonly downPolicy: DownPolicy;
  /** `undefined` while breakers are off. */
  readonly circuit: CircuitBreakerSettings | undefined;
  /** `undefined` while health checks are off. */
  readonly checker: typeof healthCheckerMachine | undefined;
  readonly checkSettingsOf: (backend: Backend) => HealthCheckSettings;
}

/** What a family needs to live. */
export interface FamilyOptions extends FamilyBreakerOptions {
  readonly random: Random;
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
export class BackendFamily implements BreakerOwner {
  readonly incarnation: string;
  readonly #options: FamilyOptions;
  readonly #events: FamilyEvents;
  #policy: FamilyPolicy;
  #backend: Backend;
  readonly #breaker: FamilyBreaker;
  #life: ActorRefFrom<typeof backendMachine> | undefined;
  #checker: ActorRefFrom<typeof healthCheckerMachine> | undefined;
  #phase: BackendPhase = 'active';

  /** @param firstEpoch above every epoch of an earlier family of this incarnation, whose outcomes may still come */
  constructor(
    backend: Backend,
    firstEpoch: number,
    policy: FamilyPolicy,
    options: FamilyOptions,
    events: FamilyEvents,
  ) {
    this.incarnation = incarnationOf(backend);
    this.#backend = backend;
    this.#policy = policy;
    this.#options = options;
    this.#events = events;
    this.#breaker = new FamilyBreaker(policy.circuit, firstEpoch, options, this);
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

  get breaker(): ActorRefFrom<typeof circuitBreakerMachine> | undefined {
    return this.#breaker.actor;
  }

  get checker(): ActorRefFrom<typeof healthCheckerMachine> | undefined {
    return this.#checker;
  }

  /** Above every epoch and grant that its breakers have given out. */
  get nextEpoch(): number {
    return this.#breaker.nextEpoch;
  }

  get circuitState(): CircuitState | undefined {
    return this.#breaker.state;
  }

  /** Its breaker is closed and has nothing to forget, or there is none. */
  get isAtEase(): boolean {
    return this.#breaker.isAtEase;
  }

  get health(): HealthStatus | undefined {
    return this.#checker && healthStatusOf(this.#checker.getSnapshot());
  }

  get member(): Member {
    return {
      backend: this.#backend,
      isDraining: this.isDraining,
      verdict: this.health?.verdict ?? 'healthy',
      gate: this.#breaker.gate(),
    };
  }

  start(): void {
    this.#breaker.start();
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
      this.#checker?.send({ type: 'SETTINGS_CHANGED', settings: this.#policy.checkSettingsOf(backend) });
    }
    this.#events.onChanged(this);
  }

  /** Goes by another policy; what runs by it keeps the time that it has spent, and what has been counted. */
  follow(policy: FamilyPolicy): void {
    const before = this.#policy;
    this.#policy = policy;
    const { drainTimeoutMs } = policy;
    if (drainTimeoutMs !== before.drainTimeoutMs)
      this.#life?.send({ type: 'SETTINGS_CHANGED', drainTimeoutMs });
    if (!isDeepStrictEqual(policy.circuit, before.circuit)) this.#breaker.follow(policy.circuit);
    if (!this.isDraining) this.#followChecks(before);
    this.#events.onChanged(this);
  }

  #followChecks(before: FamilyPolicy): void {
    const { checker: machine, checkSettingsOf, downPolicy } = this.#policy;
    if (this.#checker === undefined || machine === undefined) {
      if (this.#checker === undefined && machine === undefined) return;
      this.#checker?.stop();
      this.#checker = this.#createChecker();
      this.#checker?.start();
      // Nobody finds it down any more.
      if (machine === undefined) this.#life?.send({ type: 'CAME_UP' });
      return this.#events.onActorsChanged();
    }
    const settings = checkSettingsOf(this.#backend);
    if (!isDeepStrictEqual(settings, before.checkSettingsOf(this.#backend)))
      this.#checker.send({ type: 'SETTINGS_CHANGED', settings });
    if (downPolicy !== before.downPolicy && this.health?.verdict === 'unhealthy')
      this.life.send({ type: 'WENT_DOWN', policy: downPolicy });
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

  report(outcome: Outcome): void {
    this.#breaker.report(outcome);
  }

  stop(): void {
    this.#life?.stop();
    this.#breaker.stop();
    this.#checker?.stop();
  }

  breakerTransitioned(to: CircuitState, cause: TransitionCause): void {
    this.#events.onTransition(this, to, cause);
  }

  gateChanged(): void {
    this.#changed();
  }

  breakerReplaced(): void {
    this.#events.onActorsChanged();
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
      input: { drainTimeoutMs: this.#policy.drainTimeoutMs, now: this.#options.now },
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

  #createChecker(): ActorRefFrom<typeof healthCheckerMachine> | undefined {
    const { checker: machine, checkSettingsOf } = this.#policy;
    const { now, random } = this.#options;
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

  #judged(verdict: HealthVerdict, lastError: string | undefined): void {
    this.#events.onVerdict(this, verdict, lastError);
    const isUp = verdict === 'healthy';
    // A life that has not begun is in its first state, where coming up means nothing.
    if (!isUp) this.life.send({ type: 'WENT_DOWN', policy: this.#policy.downPolicy });
    else this.#life?.send({ type: 'CAME_UP' });
    this.#changed();
  }
}
