import type { ProxyListener } from '../domain/ports.ts';

/** What becomes of listeners when others are wanted. */
export interface ListenerPlan<Bound> {
  /** For each that is wanted, in their order: one that there is already, or nothing where one has to be bound. */
  readonly kept: readonly (Bound | undefined)[];
  /** Those that are not wanted any more. */
  readonly dropped: readonly Bound[];
}

/** Keeps every listener whose address is wanted; of several at port 0 rather one that serves the same clients. */
export function planListeners<Bound extends Place>(
  present: readonly Bound[],
  wanted: readonly Place[],
): ListenerPlan<Bound> {
  const left = new Set(present);
  const kept: (Bound | undefined)[] = wanted.map(() => undefined);
  for (const isAlike of [isSame, isAtSameAddress])
    for (const [index, one] of wanted.entries()) {
      const found = kept[index] ?? [...left].find((bound) => isAlike(bound, one));
      if (found !== undefined) left.delete((kept[index] = found));
    }
  return { kept, dropped: [...left] };
}

type Place = Pick<ProxyListener, 'address' | 'app' | 'goesByServerName'>;

/** Whether a listener gives clients the backends that another one gives them. */
export function servesAlike(one: Omit<Place, 'address'>, other: Omit<Place, 'address'>): boolean {
  return one.app === other.app && (one.goesByServerName ?? false) === (other.goesByServerName ?? false);
}

function isSame(one: Place, other: Place): boolean {
  return isAtSameAddress(one, other) && servesAlike(one, other);
}

function isAtSameAddress({ address: one }: Place, { address: other }: Place): boolean {
  return one.host === other.host && one.port === other.port;
}
