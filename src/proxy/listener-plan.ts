import type { ListenAddress, ProxyListener } from '../domain/ports.ts';

/** What becomes of listeners when others are wanted. */
export interface ListenerPlan<Bound> {
  /** For each that is wanted, in their order: one that there is already, or nothing where one has to be bound. */
  readonly kept: readonly (Bound | undefined)[];
  /** Those that are not wanted any more. */
  readonly dropped: readonly Bound[];
}

/** Keeps every listener whose address is wanted; of several at port 0 rather one of the same app. */
export function planListeners<Bound extends Pick<ProxyListener, 'address' | 'app'>>(
  present: readonly Bound[],
  wanted: readonly Pick<ProxyListener, 'address' | 'app'>[],
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

interface Place {
  readonly address: ListenAddress;
  readonly app?: string | undefined;
}

function isSame(one: Place, other: Place): boolean {
  return isAtSameAddress(one, other) && one.app === other.app;
}

function isAtSameAddress({ address: one }: Place, { address: other }: Place): boolean {
  return one.host === other.host && one.port === other.port;
}
