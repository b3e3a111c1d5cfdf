import { type AffinityMemory, newAffinityMemory } from './affinity.ts';
import { Attention } from './attention.ts';
import { Bells } from './bells.ts';
import { Counters, type CountersMemory, newCountersMemory } from './counters.ts';
import { Gates, type GatesMemory, newGatesMemory } from './gates.ts';
import { Occupancy } from './occupancy.ts';
import { newPoolCountersMemory, PoolCounters, type PoolCountersMemory } from './pool-counters.ts';
import { newNewsMemory, type NewsMemory, ScoreNews } from './score-news.ts';
import { MAX_SLOTS, sharedInts } from './shared-columns.ts';
import { newShortageMemory, type ShortageMemory } from './shortage.ts';

/** All that the threads of an engine share, as plain shared memory: may be sent to a thread. */
export interface SharedMemory {
  readonly occupancy: Int32Array<SharedArrayBuffer>;
  readonly gates: GatesMemory;
  readonly attention: Int32Array<SharedArrayBuffer>;
  readonly affinity: AffinityMemory;
  /** By thread; the last one is the main thread's. */
  readonly news: readonly NewsMemory[];
  /** By thread. */
  readonly counters: readonly CountersMemory[];
  /** See `Bells`; by thread. */
  readonly bells: Int32Array<SharedArrayBuffer>;
  /** Warm connections that all threads together keep, by slot. */
  readonly poolShares: Int32Array<SharedArrayBuffer>;
  /** That descriptors have run short; of the pools alone. */
  readonly shortages: ShortageMemory;
  /** By thread. */
  readonly poolCounters: readonly PoolCountersMemory[];
}

/** The same with its meaning, for one side of it. */
export interface SharedState {
  readonly memory: SharedMemory;
  readonly occupancy: Occupancy;
  readonly gates: Gates;
  readonly attention: Attention;
  readonly bells: Bells;
  /** By thread. */
  readonly counters: readonly Counters[];
  /** The warm connections of each backend, bounded as places are. */
  readonly poolShares: Occupancy;
  /** By thread. */
  readonly poolCounters: readonly PoolCounters[];
}

export interface SharedSizes {
  /** Backends that have connections or series at one time, at most, up to `MAX_SLOTS`. */
  readonly maxSlots?: number;
  /** Clients that affinity remembers at most. */
  readonly maxBindings?: number;
}

export function newSharedState(
  threads: number,
  { maxSlots = MAX_SLOTS, maxBindings }: SharedSizes = {},
): SharedState {
  const list = <T>(make: () => T): readonly T[] => Array.from({ length: threads }, make);
  return openSharedState({
    occupancy: sharedInts(maxSlots),
    gates: newGatesMemory(maxSlots),
    attention: sharedInts(maxSlots),
    affinity: newAffinityMemory(maxBindings),
    news: [...list(newNewsMemory), newNewsMemory()],
    counters: list(() => newCountersMemory(maxSlots)),
    bells: sharedInts(threads),
    poolShares: sharedInts(maxSlots),
    shortages: newShortageMemory(),
    poolCounters: list(() => newPoolCountersMemory(maxSlots)),
  });
}

export function openSharedState(memory: SharedMemory): SharedState {
  return {
    memory,
    occupancy: new Occupancy(memory.occupancy),
    gates: new Gates(memory.gates),
    attention: new Attention(memory.attention),
    bells: new Bells(memory.bells),
    counters: memory.counters.map((own) => new Counters(own)),
    poolShares: new Occupancy(memory.poolShares),
    poolCounters: memory.poolCounters.map((own) => new PoolCounters(own)),
  };
}

/** What a thread tells the others, and hears of them. @param thread the number of threads for the main one */
export function newsOf({ news }: SharedMemory, thread: number): ScoreNews {
  return new ScoreNews(
    news[thread]!,
    news.filter((_, index) => index !== thread),
  );
}
