import { type Backend, incarnationOf } from './backend.ts';
import type { HealthVerdict } from './health.ts';

/** Why a backend takes no new client; the first that applies is given. */
export const EXCLUSION_REASONS = [
  'draining',
  'deleted',
  'admin_down',
  'weight_zero',
  'expired',
  'unhealthy',
  'unchecked',
  'circuit_open',
] as const;

export type ExclusionReason = (typeof EXCLUSION_REASONS)[number];

/**
 * What the breaker of a backend admits, as a plain value for the hot path.
 *
 * `epoch` marks outcomes. `permits` is `undefined` for any number, and otherwise how many trials may be in flight at
 * one time; a new `grant` voids the permits given out under the one before.
 */
export interface CircuitGate {
  readonly epoch: number;
  readonly grant: number;
  readonly permits: number | undefined;
}

/** The gate of a backend without a breaker. */
export const OPEN_GATE: CircuitGate = Object.freeze({ epoch: 0, grant: 0, permits: undefined });

/** One backend with all that is known about it; each part has one authority, none overrules another. */
export interface Member {
  readonly backend: Backend;
  /** Its row is gone, its live connections are not. */
  readonly isDraining: boolean;
  readonly verdict: HealthVerdict;
  readonly gate: CircuitGate;
}

/** A backend of which nothing is known but its row: it counts as healthy, and any number of connections may try. */
export function memberOf(backend: Backend): Member {
  return { backend, isDraining: false, verdict: 'healthy', gate: OPEN_GATE };
}

export interface EligibleBackend {
  readonly backend: Backend;
  readonly gate: CircuitGate;
}

export interface ExcludedBackend {
  readonly backend: Backend;
  readonly reason: ExclusionReason;
}

/**
 * Everything the proxy needs to route, as one frozen value: who may be picked, and why each other one may not.
 * `version` grows by one with every change, so that a reader can tell which set it acted on.
 */
export interface EligibleSet {
  readonly version: number;
  readonly eligible: readonly EligibleBackend[];
  readonly excluded: readonly ExcludedBackend[];
  /** Health and breakers were disregarded because too few backends were left; of some app, where each is asked. */
  readonly isPanic: boolean;
}

export interface EligibilityPolicy {
  /** Whether a backend that no probe has judged yet is out. */
  readonly excludesUnchecked: boolean;
  /**
   * When less than this share (percent) of the backends that their owner wants in are eligible, health and breakers
   * are disregarded; 0 is never. Source: Envoy, panic threshold.
   */
  readonly panicThresholdPercent: number;
  /** Whether that is asked of the backends of each app by themselves; default: of all together. */
  readonly panicsByApp?: boolean;
}

export const EMPTY_SET: EligibleSet = Object.freeze({
  version: 0,
  eligible: Object.freeze([]),
  excluded: Object.freeze([]),
  isPanic: false,
});

/** Why its owner or the life of its row keeps a backend out: holds in a panic too. */
function administrativeExclusion({ backend, isDraining }: Member): ExclusionReason | undefined {
  if (isDraining) return 'draining';
  if (backend.deleted) return 'deleted';
  if (!backend.adminUp) return 'admin_down';
  if (backend.weight === 0) return 'weight_zero';
  return backend.expired === true ? 'expired' : undefined;
}

/** Why what has been observed keeps a backend out. */
function observedExclusion(
  { verdict, gate }: Member,
  { excludesUnchecked }: EligibilityPolicy,
): ExclusionReason | undefined {
  if (verdict === 'unhealthy') return 'unhealthy';
  if (verdict === 'unknown' && excludesUnchecked) return 'unchecked';
  return gate.permits === 0 ? 'circuit_open' : undefined;
}

function byIdThenAddress({ backend: a }: Member, { backend: b }: Member): number {
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return incarnationOf(a) < incarnationOf(b) ? -1 : 1;
}

const NONE: ReadonlySet<string> = new Set();

/** Whom a backend is asked together with whether too few of them work. */
function groupOf({ backend }: Member, { panicsByApp }: EligibilityPolicy): string {
  return panicsByApp === true ? backend.app : '';
}

function groupsInPanic(members: readonly Member[], policy: EligibilityPolicy): ReadonlySet<string> {
  const counts = new Map<string, { wanted: number; working: number }>();
  for (const member of members) {
    if (administrativeExclusion(member) !== undefined) continue;
    const group = groupOf(member, policy);
    let count = counts.get(group);
    if (count === undefined) counts.set(group, (count = { wanted: 0, working: 0 }));
    count.wanted++;
    if (observedExclusion(member, policy) === undefined) count.working++;
  }
  const few = [...counts].filter(
    ([, { wanted, working }]) => working * 100 < wanted * policy.panicThresholdPercent,
  );
  return new Set(few.map(([group]) => group));
}

/**
 * Derives the set: rows and administrative state and health and breaker, and not draining. A pure function of its
 * inputs, whatever the order of the members.
 */
export function deriveEligibleSet(
  members: readonly Member[],
  version: number,
  policy: EligibilityPolicy,
): EligibleSet {
  const ordered = members.toSorted(byIdThenAddress);
  const inPanic = policy.panicThresholdPercent === 0 ? NONE : groupsInPanic(ordered, policy);
  const eligible: EligibleBackend[] = [];
  const excluded: ExcludedBackend[] = [];
  for (const member of ordered) {
    const { backend, gate } = member;
    const isPanic = inPanic.size > 0 && inPanic.has(groupOf(member, policy));
    const observed = isPanic ? undefined : observedExclusion(member, policy);
    const reason = administrativeExclusion(member) ?? observed;
    if (reason === undefined)
      eligible.push(Object.freeze({ backend, gate: isPanic ? { ...gate, permits: undefined } : gate }));
    else excluded.push(Object.freeze({ backend, reason }));
  }
  return Object.freeze({
    version,
    eligible: Object.freeze(eligible),
    excluded: Object.freeze(excluded),
    isPanic: inPanic.size > 0,
  });
}
