import type { Backend } from './backend.ts';
import type { ExclusionReason } from './eligibility.ts';
import { type ClientGeo, type GeoTier, geoTierOf } from './geo.ts';
import { loadScore } from './load-balancing.ts';

/** How near a backend is, by `GeoTier`. */
export const TIER_NAMES = ['country', 'region', 'own_region', 'elsewhere'] as const;

/** What becomes of a backend that is eligible, for one client at one moment. */
export const PICK_VERDICTS = [
  'bound',
  'picked',
  'not_bound',
  'farther',
  'over_soft_limit',
  'more_loaded',
  'full',
  'no_trial_left',
] as const;

export type PickVerdict = (typeof PICK_VERDICTS)[number];

/** A backend as the next client would find it. */
export interface Standing {
  readonly backend: Backend;
  /** Why it is not in the eligible set. */
  readonly exclusion: ExclusionReason | undefined;
  /** Places that are taken. */
  readonly active: number;
  /** Its circuit is half-open, and all trials are under way. */
  readonly isShut: boolean;
  /** The client is bound to it. */
  readonly isBound: boolean;
}

export interface ExplainedBackend extends Standing {
  readonly tier: GeoTier;
  /** As `loadScore`; `Infinity` for one that would not be picked by it. */
  readonly score: number;
  readonly verdict: PickVerdict | ExclusionReason;
  /** The chance that the client comes here, 0 to 1. */
  readonly share: number;
  /** The verdict in words. */
  readonly why: string;
}

export interface Explanation {
  readonly result: 'bound' | 'picked' | 'all_full' | 'no_backend';
  /** Those that the client may get first, then by how near a thing it was. */
  readonly backends: readonly ExplainedBackend[];
}

/** Where picking happens. */
export interface PickScene {
  readonly client: ClientGeo | undefined;
  readonly ownRegion: string;
}

interface Ranked extends Standing {
  readonly tier: GeoTier;
  readonly score: number;
}

/** The scores of the nearest tier that has room; the lowest one wins. */
interface Contest {
  readonly tier: GeoTier;
  readonly bestScore: number;
  readonly weightOfBest: number;
  /** Nobody there is below its soft limit. */
  readonly isOverSoft: boolean;
}

const EXCLUSION_TEXTS: Readonly<Record<ExclusionReason, string>> = {
  draining: 'its row is gone or has moved, and its connections end',
  deleted: 'its row is marked as deleted',
  admin_down: 'its owner has taken it out (healthy = 0)',
  weight_zero: 'its weight is 0',
  expired: 'it has registered itself and has not been heard of for too long',
  unhealthy: 'its probes fail',
  unchecked: 'no probe has judged it yet',
  circuit_open: 'its circuit is open',
};

function rank(standing: Standing, { client, ownRegion }: PickScene): Ranked {
  const { backend, active, isShut, exclusion } = standing;
  const mayBePicked = exclusion === undefined && !isShut;
  const score = mayBePicked ? loadScore(active, backend) : Infinity;
  return { ...standing, tier: geoTierOf(backend, client, ownRegion), score };
}

const isOverSoft = ({ active, backend }: Ranked): boolean => active >= Math.max(1, backend.softLimit);

function contestOf(ranked: readonly Ranked[]): Contest | undefined {
  const open = ranked.filter(({ score }) => score < Infinity);
  const tier = Math.min(...open.map((one) => one.tier)) as GeoTier;
  const inTier = open.filter((one) => one.tier === tier);
  if (inTier.length === 0) return undefined;
  const bestScore = Math.min(...inTier.map(({ score }) => score));
  const best = inTier.filter(({ score }) => score === bestScore);
  const weightOfBest = best.reduce((sum, { backend }) => sum + backend.weight, 0);
  return { tier, bestScore, weightOfBest, isOverSoft: isOverSoft(best[0]!) };
}

function verdictOf(
  one: Ranked,
  contest: Contest | undefined,
  isBound: boolean,
): PickVerdict | ExclusionReason {
  if (one.exclusion !== undefined) return one.exclusion;
  if (one.isShut) return 'no_trial_left';
  if (one.score === Infinity || contest === undefined) return 'full';
  if (isBound) return one.isBound ? 'bound' : 'not_bound';
  if (one.tier > contest.tier) return 'farther';
  if (one.score === contest.bestScore) return 'picked';
  return isOverSoft(one) && !contest.isOverSoft ? 'over_soft_limit' : 'more_loaded';
}

function whyOf(one: Ranked, verdict: PickVerdict | ExclusionReason, contest: Contest | undefined): string {
  const { active, backend } = one;
  const nearest = contest === undefined ? '' : TIER_NAMES[contest.tier];
  switch (verdict) {
    case 'bound':
      return 'the client was here last, and there is room';
    case 'picked':
      return `nothing nearer has room (${nearest}), and none there has less load`;
    case 'not_bound':
      return 'the client is bound to another one';
    case 'farther':
      return `a backend of a nearer tier (${nearest}) has room`;
    case 'over_soft_limit':
      return `${active} connections, at or over its soft limit of ${backend.softLimit}, where another one is below its own`;
    case 'more_loaded':
      return `${active} connections, more for its soft limit and weight than another one has`;
    case 'full':
      return `${active} connections, its hard limit is ${backend.hardLimit}`;
    case 'no_trial_left':
      return 'its circuit is half-open, and all its trials are under way';
    default:
      return EXCLUSION_TEXTS[verdict];
  }
}

function shareOf(one: Ranked, verdict: PickVerdict | ExclusionReason, contest: Contest | undefined): number {
  if (verdict === 'bound') return 1;
  return verdict === 'picked' ? one.backend.weight / contest!.weightOfBest : 0;
}

/**
 * What `Router.enter` would do with a client, and why each other backend does not get it: a pure function of what is
 * given, held to `BackendPicker` by a test.
 */
export function explainPick(standings: readonly Standing[], scene: PickScene): Explanation {
  const ranked = standings.map((standing) => rank(standing, scene));
  const contest = contestOf(ranked);
  const isBound = ranked.some((one) => one.isBound && one.score < Infinity);
  const backends = ranked
    .map((one): ExplainedBackend => {
      const verdict = verdictOf(one, contest, isBound);
      const share = shareOf(one, verdict, contest);
      return { ...one, verdict, share, why: whyOf(one, verdict, contest) };
    })
    .toSorted(byLikelihood);
  return { result: resultOf(ranked, contest, isBound), backends };
}

function resultOf(
  ranked: readonly Ranked[],
  contest: Contest | undefined,
  isBound: boolean,
): Explanation['result'] {
  if (contest !== undefined) return isBound ? 'bound' : 'picked';
  return ranked.some(({ exclusion }) => exclusion === undefined) ? 'all_full' : 'no_backend';
}

const isOut = ({ exclusion }: Standing): number => (exclusion === undefined ? 0 : 1);

/** Whoever is not in the set comes last. */
function byLikelihood(a: ExplainedBackend, b: ExplainedBackend): number {
  if (a.share !== b.share) return b.share - a.share;
  if (isOut(a) !== isOut(b)) return isOut(a) - isOut(b);
  if (a.tier !== b.tier) return a.tier - b.tier;
  if (a.score !== b.score) return a.score < b.score ? -1 : 1;
  return a.backend.id < b.backend.id ? -1 : 1;
}
