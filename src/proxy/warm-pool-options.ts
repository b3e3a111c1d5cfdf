import type { PoolSettings } from '../domain/pool.ts';
import type { MonotonicClock, Random } from '../domain/ports.ts';
import type { Occupancy } from './occupancy.ts';
import type { PoolCounters } from './pool-counters.ts';
import type { Shortage } from './shortage.ts';

export interface WarmPoolOptions<Socket extends number | object> {
  /** Read anew each time. */
  readonly settings: PoolSettings;
  readonly now: MonotonicClock;
  readonly random: Random;
  /** How many connections all threads together keep for each backend. */
  readonly shares: Occupancy;
  /** This thread's own. */
  readonly counters: PoolCounters;
  /** Whether a connection that no client waits for may be opened to a backend with so many warm ones. */
  readonly mayWarm: (tenancy: number, warm: number) => boolean;
  /** Whether clients wait for places at a backend: what is opened meanwhile would be in their way. */
  readonly isCrowded: (tenancy: number) => boolean;
  readonly shortage: Shortage;
  /**
   * Begins to connect; `connected` or `failed` is called later, never during the call. `exhausted` when this machine
   * has no descriptor for it, which concerns all backends; `failed` when this one cannot be connected to.
   */
  readonly connect: (tenancy: number) => Socket | 'exhausted' | 'failed';
  readonly isAlive: (socket: Socket) => boolean;
  readonly close: (socket: Socket) => void;
}
