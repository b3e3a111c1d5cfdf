import type { MonotonicClock, Random } from '../domain/ports.ts';
import type { PoolSharesOptions } from './pool-shares.ts';
import type { Shortage } from './shortage.ts';

export interface WarmPoolOptions<Socket extends number | object> extends PoolSharesOptions {
  readonly now: MonotonicClock;
  readonly random: Random;
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
  /** Whether it may be handed out, as far as can be told cheaply. */
  readonly isAlive: (socket: Socket) => boolean;
  /** Nobody has wanted it for a while, and it may go on so; called more than once. */
  readonly waits: (socket: Socket) => void;
  readonly close: (socket: Socket) => void;
}
