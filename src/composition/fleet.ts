import { type Observable, Subject } from 'rxjs';
import { type Backend, incarnationOf, sameBackend } from '../domain/backend.ts';
import type { LiveBackend } from '../domain/backend-plan.ts';
import { memberOf } from '../domain/eligibility.ts';
import type { Outcome } from '../domain/outcome.ts';
import { type LimitedLog, limitedWarning } from '../domain/limited-log.ts';
import type { FleetReport, Logger } from '../domain/ports.ts';
import type { MemberChange } from '../streams/eligible-backends.ts';
import type { Clock } from './family-breaker.ts';
import { BackendFamily, type FamilyEvents, type FamilyOptions, type FamilyPolicy } from './backend-family.ts';

/** How often draining backends are looked at for their last connection to have ended. */
const IDLE_CHECK_MS = 250;

const SYSTEM_CLOCK: Clock = {
  setTimeout: (act, ms) => setTimeout(act, ms),
  clearTimeout: (id: NodeJS.Timeout) => clearTimeout(id),
};

/** `not_made`: this machine lacked what a probe needs. */
export type ProbeOutcome = 'ok' | 'failed' | 'not_made';

export interface FleetOptions extends FamilyOptions {
  readonly logger: Logger;
  /** Live connections of an incarnation. */
  readonly activeOf: (incarnation: string) => number;
  /** Whether new clients may still be sent to an incarnation, by the set in force. */
  readonly routesTo: (incarnation: string) => boolean;
  /** Ends the live connections of an incarnation. */
  readonly cut: (incarnation: string) => void;
  readonly onTransition: (cause: string) => void;
  readonly onProbed: (result: ProbeOutcome) => void;
}

/**
 * All backends that live: one family of actors an incarnation, started, updated and drained as the rows say.
 *
 *     rows ──update──► families ──► changes$ ──► (eligible set)
 *     outcomes ─report─►  │
 *                         └──► cut(incarnation)
 */
export class Fleet {
  readonly #options: FleetOptions;
  #policy: FamilyPolicy;
  readonly #families = new Map<string, BackendFamily>();
  /** Rows marked as deleted: nothing lives for them, they are only told of. */
  #tombstones: ReadonlyMap<string, Backend> = new Map();
  readonly #changes$ = new Subject<readonly MemberChange[]>();
  /** Changes of an `update` under way, sent as one. */
  #gathered: MemberChange[] | undefined;
  /** Of the breakers of new families. */
  #firstEpoch = 1;
  #actorsVersion = 0;
  readonly #warnNotProbed: LimitedLog;
  readonly #warnFailed: LimitedLog;
  /** Incarnations whose connections end as soon as no new ones can come. */
  readonly #pendingCuts = new Set<string>();
  readonly #clock: Clock;
  #idleCheck: unknown;

  constructor(policy: FamilyPolicy, options: FleetOptions) {
    this.#policy = policy;
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#warnFailed = limitedWarning(options.logger, 'backends fail clients', options.now);
    this.#warnNotProbed = limitedWarning(options.logger, 'cannot probe, the trouble is local', options.now);
  }

  get changes$(): Observable<readonly MemberChange[]> {
    return this.#changes$;
  }

  /** Another number when an actor of a family has come, gone, or belongs under another name. */
  get actorsVersion(): number {
    return this.#actorsVersion;
  }

  get families(): ReadonlyMap<string, BackendFamily> {
    return this.#families;
  }

  /** Takes over what its owner wants: new rows start, changed ones are updated, missing and deleted ones drain. */
  update(backends: readonly Backend[]): void {
    const wanted = new Map(
      backends.filter(({ deleted }) => !deleted).map((row) => [incarnationOf(row), row]),
    );
    const tombstones = new Map(
      backends.filter(({ deleted }) => deleted).map((row) => [incarnationOf(row), row]),
    );
    this.#asOne(() => this.#adopt(wanted, tombstones));
  }

  /** Goes by another policy, at once and for all families; what runs keeps the time that it has spent. */
  follow(policy: FamilyPolicy): void {
    this.#policy = policy;
    const keepsWhatIsDown = policy.checker === undefined || policy.downPolicy === 'keep';
    this.#asOne(() => {
      for (const family of this.#families.values()) {
        if (keepsWhatIsDown && !family.isDraining) this.#pendingCuts.delete(family.incarnation);
        family.follow(policy);
      }
    });
  }

  #adopt(wanted: ReadonlyMap<string, Backend>, tombstones: ReadonlyMap<string, Backend>): void {
    for (const family of this.#families.values()) {
      if (!wanted.has(family.incarnation) && !family.isDraining) this.#drain(family);
    }
    for (const [incarnation, backend] of wanted) {
      const family = this.#families.get(incarnation);
      if (family === undefined) this.#create(backend);
      else if (family.isDraining || !sameBackend(family.backend, backend)) {
        if (family.isDraining) this.#pendingCuts.delete(incarnation);
        family.update(backend);
      }
    }
    this.#bury(tombstones);
  }

  /** Sends the changes of all that `work` does as one. */
  #asOne(work: () => void): void {
    if (this.#gathered !== undefined) return work();
    const changes: MemberChange[] = [];
    this.#gathered = changes;
    work();
    this.#gathered = undefined;
    this.#changes$.next(changes);
  }

  /** All backends that take part or drain, with their connections. */
  live(): readonly LiveBackend[] {
    return [...this.#families.values()].map(({ backend, isDraining, incarnation }) => ({
      backend,
      isDraining,
      connections: this.#options.activeOf(incarnation),
    }));
  }

  /** What the machines say about the backends that take part; draining ones do not. */
  statuses(): FleetReport {
    return [...this.#families.values()]
      .filter(({ isDraining }) => !isDraining)
      .map(({ backend, circuitState, health }) => ({
        backendId: backend.id,
        circuit: circuitState,
        verdict: health?.verdict,
      }));
  }

  /**
   * Tells that a set has come into force: what had to wait for it is done.
   *
   * Between a removal and the set that says so, clients still come. A backend is idle, and its connections are cut,
   * only once none can come any more. Not to be called from within the set's own arrival: it makes new changes.
   */
  applied(): void {
    if (this.#idleCheck !== undefined) this.#checkIdle();
    for (const incarnation of this.#pendingCuts) {
      if (!this.#isOut(incarnation)) continue;
      this.#pendingCuts.delete(incarnation);
      this.#options.cut(incarnation);
    }
  }

  /** Passes outcomes on to the breakers of their backends; those of backends that are gone say nothing any more. */
  report(batch: readonly Outcome[]): void {
    for (const outcome of batch) {
      if (outcome.result === 'failure') {
        this.#options.logger.debug(outcome, 'backend failed a client');
        this.#warnFailed.warn({
          incarnation: outcome.incarnation,
          cause: outcome.cause,
          detail: outcome.detail,
        });
      }
      this.#families.get(outcome.incarnation)?.report(outcome);
    }
  }

  /** Whether a success would tell the breaker of an incarnation nothing. */
  isAtEase(incarnation: string): boolean {
    return this.#families.get(incarnation)?.isAtEase ?? true;
  }

  stop(): void {
    this.#clock.clearTimeout(this.#idleCheck);
    for (const family of this.#families.values()) family.stop();
    this.#changes$.complete();
  }

  #create(backend: Backend): void {
    const family = new BackendFamily(backend, this.#firstEpoch, this.#policy, this.#options, this.#events);
    this.#families.set(family.incarnation, family);
    this.#actorsVersion += 1;
    this.#pendingCuts.delete(family.incarnation);
    this.#change(family);
    family.start();
  }

  #drain(family: BackendFamily): void {
    family.remove();
    if (this.#idleCheck === undefined) this.#checkIdleLater();
  }

  #checkIdleLater(): void {
    this.#idleCheck = this.#clock.setTimeout(() => {
      this.#checkIdleLater();
      this.#checkIdle();
    }, IDLE_CHECK_MS);
  }

  #checkIdle(): void {
    const draining = [...this.#families.values()].filter(({ isDraining }) => isDraining);
    const idle = draining.filter(
      ({ incarnation }) => this.#isOut(incarnation) && this.#options.activeOf(incarnation) === 0,
    );
    if (idle.length > 0) this.#asOne(() => idle.forEach((family) => family.becameIdle()));
    if (draining.length > idle.length) return;
    this.#clock.clearTimeout(this.#idleCheck);
    this.#idleCheck = undefined;
  }

  /** Tells of deleted rows that no family drains for, and no longer of those that are gone. */
  #bury(tombstones: ReadonlyMap<string, Backend>): void {
    for (const incarnation of this.#tombstones.keys()) {
      if (!tombstones.has(incarnation) && !this.#families.has(incarnation))
        this.#emit({ incarnation, member: undefined });
    }
    this.#tombstones = tombstones;
    for (const incarnation of tombstones.keys())
      if (!this.#families.has(incarnation)) this.#emitTombstone(incarnation);
  }

  #emitTombstone(incarnation: string): void {
    const backend = this.#tombstones.get(incarnation);
    this.#emit({ incarnation, member: backend && memberOf(backend) });
  }

  #isOut(incarnation: string): boolean {
    return !this.#options.routesTo(incarnation);
  }

  #change(family: BackendFamily): void {
    if (this.#families.get(family.incarnation) !== family) return;
    this.#emit({ incarnation: family.incarnation, member: family.member });
  }

  #emit(change: MemberChange): void {
    if (this.#gathered === undefined) this.#changes$.next([change]);
    else this.#gathered.push(change);
  }

  readonly #events: FamilyEvents = {
    onChanged: (family) => this.#change(family),
    onActorsChanged: () => (this.#actorsVersion += 1),
    onRemoved: (family) => {
      this.#families.delete(family.incarnation);
      this.#actorsVersion += 1;
      this.#firstEpoch = Math.max(this.#firstEpoch, family.nextEpoch);
      family.stop();
      this.#emitTombstone(family.incarnation);
    },
    onCut: (family) => {
      const connections = this.#options.activeOf(family.incarnation);
      const line = { backend: family.backend.id, connections };
      if (connections > 0) this.#options.logger.warn(line, 'connections of backend are cut');
      this.#pendingCuts.add(family.incarnation);
      this.applied();
    },
    onTransition: (family, to, cause) => {
      this.#options.onTransition(cause);
      const line = { backend: family.backend.id, to, cause };
      if (to === 'open') this.#options.logger.warn(line, 'circuit changed');
      else this.#options.logger.info(line, 'circuit changed');
    },
    onVerdict: (family, verdict, error) => {
      const line = { backend: family.backend.id, verdict, ...(error === undefined ? {} : { error }) };
      if (verdict === 'healthy') this.#pendingCuts.delete(family.incarnation);
      if (verdict === 'unhealthy') this.#options.logger.warn(line, 'health changed');
      else this.#options.logger.info(line, 'health changed');
    },
    onProbed: (ok) => this.#options.onProbed(ok ? 'ok' : 'failed'),
    onNotProbed: (family, error) => {
      this.#options.onProbed('not_made');
      this.#warnNotProbed.warn({ backend: family.backend.id, error });
    },
  };
}
