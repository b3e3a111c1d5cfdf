import type { ConnectionLimitsMemory } from '../connection-limits.ts';
import type { EngineLists } from '../engine-lists.ts';
import type { EngineNumbersMemory } from '../engine-numbers.ts';
import type { RateLimiterMemory } from '../rate-limiter.ts';
import type { SharedMemory } from '../shared-state.ts';
import type { WaitQueueMemory } from '../wait-queue.ts';
import type { SocketTableMemory } from './socket-table.ts';
import type { TuningSettings } from './tuning.ts';

/** What a data thread is to do; may be sent to it. */
export interface DataThreadSettings {
  readonly thread: number;
  readonly memory: SharedMemory;
  readonly sockets: SocketTableMemory;
  readonly stopFlag: Int32Array<SharedArrayBuffer>;
  /** Of each thread: wakes it. */
  readonly wakeFds: readonly number[];
  readonly ownRegion: string;
  readonly numbers: EngineNumbersMemory;
  readonly lists: EngineLists;
  readonly limits: ConnectionLimitsMemory;
  readonly queue: WaitQueueMemory;
  readonly rateLimit: RateLimiterMemory;
  readonly pipeBytes: number;
  readonly splices: boolean;
  readonly corksEnds: boolean;
  readonly tuning: TuningSettings;
}
