import { type Observable, scan, startWith } from 'rxjs';
import type { Backend } from '../domain/backend.ts';
import { deriveEligibleSet, EMPTY_SET, type EligibleSet } from '../domain/eligibility.ts';

/**
 * The backends that may be picked, as one frozen, versioned set after another.
 *
 * Emits version 0, the empty set, at once: the proxy has an answer before the first rows have come. Every later set
 * is derived from the newest backends alone and counts one version up.
 *
 *     backends$   ───────[a b]──────[a b']────►
 *     eligible$   {0}────{1: a b}───{2: a}────►
 */
export function eligibleBackends$(backends$: Observable<readonly Backend[]>): Observable<EligibleSet> {
  return backends$.pipe(
    scan((previous, backends) => deriveEligibleSet(backends, previous.version + 1), EMPTY_SET),
    startWith(EMPTY_SET),
  );
}
