import {
  defer,
  isObservable,
  merge,
  type Observable,
  of,
  scan,
  skip,
  startWith,
  Subject,
  takeUntil,
  tap,
  throttle,
  timer,
} from 'rxjs';
import {
  deriveEligibleSet,
  type EligibilityPolicy,
  type EligibleSet,
  EMPTY_SET,
  type Member,
} from '../domain/eligibility.ts';

/** What has become of one incarnation of a backend; `undefined` when it is gone. */
export interface MemberChange {
  readonly incarnation: string;
  readonly member: Member | undefined;
}

export interface EligibleBackendsOptions {
  /** One that changes is a stream, which begins with the first one at once. */
  readonly policy: EligibilityPolicy | Observable<EligibilityPolicy>;
  /** Shortest time between two sets; asked after each one, so that it may follow what a set costs. */
  readonly gapMs: () => number;
  /** For who wants to measure it; default `deriveEligibleSet`. */
  readonly derive?: typeof deriveEligibleSet;
}

/**
 * The backends that may be picked, as one frozen, versioned set after another.
 *
 * Emits version 0, the empty set, at once: the proxy has an answer before the first rows have come. A change after a
 * quiet time makes a set at once; changes that follow within the gap are gathered into one set at its end, so a burst
 * makes few sets and the last one holds everything. A set is derived when it is emitted, not when something changes.
 * A changed policy is a change like any other.
 *
 *     changes$   ──[a b]─────────[a'][b'][c]──────►
 *     eligible$  0─1:a b─────────2:a'b──3:a'b'c───►
 */
export function eligibleBackends$(
  changes$: Observable<readonly MemberChange[]>,
  { policy, gapMs, derive = deriveEligibleSet }: EligibleBackendsOptions,
): Observable<EligibleSet> {
  return defer(() => {
    const members = new Map<string, Member>();
    let current: EligibilityPolicy | undefined;
    const over$ = new Subject<void>();
    const membersChanged$ = changes$.pipe(
      tap({
        next: (changes) => {
          for (const { incarnation, member } of changes) {
            if (member === undefined) members.delete(incarnation);
            else members.set(incarnation, member);
          }
        },
        complete: () => over$.next(),
      }),
    );
    const policyChanged$ = (isObservable(policy) ? policy : of(policy)).pipe(
      tap((next) => (current = next)),
      skip(1),
      takeUntil(over$),
    );
    return merge(policyChanged$, membersChanged$).pipe(
      throttle(() => timer(gapMs()), { leading: true, trailing: true }),
      scan((previous) => derive([...members.values()], previous.version + 1, current!), EMPTY_SET),
      startWith(EMPTY_SET),
    );
  });
}
