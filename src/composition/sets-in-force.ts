import { EMPTY_SET, type EligibleSet } from '../domain/eligibility.ts';
import type { Logger, MonotonicClock } from '../domain/ports.ts';
import { microseconds } from '../domain/rounding.ts';

export interface SetsInForceOptions {
  readonly logger: Logger;
  readonly now: MonotonicClock;
  readonly onInForce: (set: EligibleSet) => void;
}

interface Sent {
  readonly set: EligibleSet;
  readonly deriveMs: number;
  readonly applyMs: number;
}

/** Follows sets from the moment they are derived until every thread routes by them, and tells of those that are news. */
export class SetsInForce {
  readonly #options: SetsInForceOptions;
  #sent: readonly Sent[] = [];
  #current: EligibleSet = EMPTY_SET;
  #lastDeriveMs = 0;
  #lastApplyMs = 0;
  #isToldEmpty = false;

  constructor(options: SetsInForceOptions) {
    this.#options = options;
  }

  /** The set that clients are routed by. */
  get current(): EligibleSet {
    return this.#current;
  }

  /** What the last set has cost the main thread. */
  get lastCostMs(): number {
    return this.#lastDeriveMs + this.#lastApplyMs;
  }

  derive(derive: () => EligibleSet): EligibleSet {
    const startedMs = this.#options.now();
    const set = derive();
    this.#lastDeriveMs = this.#options.now() - startedMs;
    return set;
  }

  apply(set: EligibleSet, apply: (set: EligibleSet) => void): void {
    const startedMs = this.#options.now();
    apply(set);
    this.#lastApplyMs = this.#options.now() - startedMs;
    this.#sent = [...this.#sent, { set, deriveMs: this.#lastDeriveMs, applyMs: this.#lastApplyMs }];
  }

  /** The engine routes by the set of this version. */
  inForce(version: number): void {
    const newest = this.#sent.findLast(({ set }) => set.version <= version);
    if (newest === undefined) return;
    this.#sent = this.#sent.filter(({ set }) => set.version > version);
    this.#tell(newest);
    this.#current = newest.set;
    this.#options.onInForce(newest.set);
  }

  /** A set that changes how many backends serve is news; the others come as often as a fleet is restless. */
  #tell({ set, deriveMs, applyMs }: Sent): void {
    const { logger } = this.#options;
    const { version: setVersion, isPanic } = set;
    const [eligible, excluded] = [set.eligible.length, set.excluded.length];
    const isNews = eligible !== this.#current.eligible.length || excluded !== this.#current.excluded.length;
    const timings = { deriveMs: microseconds(deriveMs), applyMs: microseconds(applyMs) };
    const line = { setVersion, eligible, excluded, ...timings };
    if (setVersion === 0) return;
    if (isNews) logger.info(line, 'backends applied');
    else logger.debug(line, 'backends applied');
    this.#tellEmptiness(isNews, eligible, excluded);
    if (isPanic === this.#current.isPanic) return;
    if (isPanic)
      logger.warn({ eligible, excluded }, 'too few backends work, health and breakers are disregarded');
    else logger.info({ eligible, excluded }, 'enough backends work, health and breakers count again');
  }

  /** Once, until there is a backend again. */
  #tellEmptiness(isNews: boolean, eligible: number, excluded: number): void {
    if (eligible > 0) this.#isToldEmpty = false;
    else if (isNews && !this.#isToldEmpty) {
      this.#isToldEmpty = true;
      this.#options.logger.error({ excluded }, 'no backend is eligible, clients are refused');
    }
  }
}
