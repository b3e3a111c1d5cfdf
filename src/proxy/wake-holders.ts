import type { PoolCounters } from './pool-counters.ts';

/**
 * Makes what wakes the other threads that keep a connection to a backend warm: a client needs the room of it.
 *
 * @param counters by thread
 * @param wake has a thread look at what it keeps
 */
export function holderWaker(
  counters: readonly PoolCounters[],
  thread: number,
  wake: (thread: number) => void,
): (slot: number) => void {
  return (slot) => {
    for (const [other, { warm }] of counters.entries())
      if (other !== thread && Atomics.load(warm, slot) > 0) wake(other);
  };
}
