import type { OutcomeSink } from '../../domain/ports.ts';
import type { Affinity } from '../affinity.ts';
import type { ConnectionLimits } from '../connection-limits.ts';
import type { Directory } from '../directory.ts';
import type { EngineNumbers } from '../engine-numbers.ts';
import { leaveQueues, type WaitQueueMemory } from '../wait-queue.ts';
import type { RateLimiter } from '../rate-limiter.ts';
import type { ScoreNews } from '../score-news.ts';
import type { SharedState } from '../shared-state.ts';
import type { CountedClient } from './thread-handle.ts';

export interface ReclaimOptions {
  readonly directory: Directory;
  readonly state: SharedState;
  readonly affinity: Affinity;
  readonly limiter: RateLimiter;
  readonly limits: ConnectionLimits;
  readonly queue: WaitQueueMemory;
  readonly numbers: Pick<EngineNumbers, 'queue'>;
  /** What the main thread tells the data threads of slots. */
  readonly news: ScoreNews;
  readonly onOutcomes: OutcomeSink;
}

/**
 * Frees what a thread that has died held of what all share.
 *
 * @param counted its clients that limits count
 *
 * Permits come back with the lease of their breaker, which runs once the breaker knows of a trial: any that is under
 * way is told again, for the thread may have died before it told.
 */
export function reclaim(
  thread: number,
  counted: readonly CountedClient[],
  options: ReclaimOptions,
  wake: (thread: number) => void,
): void {
  const { directory, state, affinity, limiter, limits, queue, numbers, news, onOutcomes } = options;
  const { gates, occupancy } = state;
  const counters = state.counters[thread]!;
  const { warm } = state.poolCounters[thread]!;
  for (const [slot, connections] of warm.entries()) {
    if (connections === 0) continue;
    warm[slot] = 0;
    state.poolShares.leave(slot, connections);
  }
  for (const [slot, places] of counters.active.entries()) {
    if (places === 0) continue;
    counters.active[slot] = 0;
    occupancy.leave(slot, places);
    news.tell(slot);
  }
  counters.clientEnded(counters.total('active'));
  affinity.threadDied(thread + 1);
  limiter.threadDied(thread + 1);
  limits.threadDied(thread + 1);
  for (const { address, counted: where } of counted) limits.leave(address.words, where);
  leaveQueues(queue, numbers.queue, thread, wake);
  const trials = directory.slots
    .occupants()
    .filter(({ slot }) => gates.hasTaken(slot))
    .map(({ incarnation, slot }) => ({
      incarnation,
      epoch: gates.epochOf(slot),
      result: 'trial' as const,
    }));
  onOutcomes(trials);
}
