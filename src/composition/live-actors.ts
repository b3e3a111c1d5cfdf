import type { AnyActorRef } from 'xstate';
import type { LiveActors } from '../adapters/inspect/inspector.ts';
import type { BackendFamily } from './backend-family.ts';
import type { Fleet } from './fleet.ts';

/** Up to so many backends, a life is begun for whoever looks. */
const MAX_LIVES = 100;

/**
 * The live actors by name, such as `lifecycle`, `subscription`, `backend:sa-1`, `breaker:sa-1`, `checker:sa-1`.
 * Nothing is kept of a large fleet: its names are made while somebody walks over them.
 */
export function liveActors(
  own: Readonly<Record<string, AnyActorRef | undefined>>,
  fleet: Pick<Fleet, 'families' | 'actorsVersion'>,
): LiveActors {
  return {
    get version() {
      return fleet.actorsVersion;
    },
    *[Symbol.iterator]() {
      for (const [name, actor] of Object.entries(own)) if (actor !== undefined) yield [name, actor];
      for (const family of fleet.families.values()) {
        const name = nameOf(family);
        // In a large fleet, lives that have not begun stay so: to look must not cost an actor for each backend.
        const life = fleet.families.size <= MAX_LIVES ? family.life : family.begunLife;
        if (life !== undefined) yield [`backend:${name}`, life];
        if (family.breaker !== undefined) yield [`breaker:${name}`, family.breaker];
        if (family.checker !== undefined) yield [`checker:${name}`, family.checker];
      }
    },
  };
}

/** Two incarnations of an id live side by side while the old one drains. */
function nameOf({ backend, incarnation, isDraining }: BackendFamily): string {
  return isDraining ? incarnation : backend.id;
}
