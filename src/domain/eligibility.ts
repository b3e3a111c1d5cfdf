import type { Backend } from './backend.ts';

/** Why a backend takes no new client. */
export const EXCLUSION_REASONS = ['deleted', 'admin_down', 'weight_zero'] as const;

export type ExclusionReason = (typeof EXCLUSION_REASONS)[number];

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
  readonly eligible: readonly Backend[];
  readonly excluded: readonly ExcludedBackend[];
}

export const EMPTY_SET: EligibleSet = Object.freeze({
  version: 0,
  eligible: Object.freeze([]),
  excluded: Object.freeze([]),
});

/** The reason why a backend is out, or `undefined` when it is eligible. The gravest reason wins. */
export function exclusionOf(backend: Backend): ExclusionReason | undefined {
  if (backend.deleted) return 'deleted';
  if (!backend.adminUp) return 'admin_down';
  if (backend.weight === 0) return 'weight_zero';
  return undefined;
}

/** Derives the set from the wanted backends: a pure function of its inputs. */
export function deriveEligibleSet(backends: readonly Backend[], version: number): EligibleSet {
  const eligible: Backend[] = [];
  const excluded: ExcludedBackend[] = [];
  for (const backend of backends) {
    const reason = exclusionOf(backend);
    if (reason === undefined) eligible.push(backend);
    else excluded.push(Object.freeze({ backend, reason }));
  }
  return Object.freeze({ version, eligible: Object.freeze(eligible), excluded: Object.freeze(excluded) });
}
