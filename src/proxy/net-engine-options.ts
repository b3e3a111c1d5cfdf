import type { Server } from 'node:net';
import type { Logger, MonotonicClock, OutcomeSink } from '../domain/ports.ts';
import type { ServerNameTable } from '../domain/tls/server-names.ts';
import type { App, Apps } from './apps.ts';
import type { Bells } from './bells.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { Counters } from './counters.ts';
import type { EngineNumbers } from './engine-numbers.ts';
import type { LiveLedger } from './net/live-ledger.ts';
import type { Handshakes } from './net/guest.ts';
import type { WarmWiresOptions } from './net/warm-wires.ts';
import type { Transport } from './net/wire.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { Router } from './router.ts';
import type { Occupants } from './slot-table.ts';
import type { WaitQueueMemory } from './wait-queue.ts';

export interface NetEngineOptions {
  readonly apps: Apps;
  /** Whose backends clients are given whose TLS greeting says it. */
  readonly serverNames: ServerNameTable<App>;
  readonly slots: Occupants;
  readonly limiter: RateLimiter;
  readonly limits: ConnectionLimits;
  readonly queue: WaitQueueMemory;
  readonly router: Router;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  readonly onOutcomes: OutcomeSink;
  /** New clients are routed by this set from now on. */
  readonly onInForce: (setVersion: number) => void;
  /** Read anew each time. */
  readonly numbers: EngineNumbers;
  readonly trusted: readonly string[];
  /** What the pool of warm connections is made of. */
  readonly pool: Pick<WarmWiresOptions, 'shares' | 'counters' | 'shortages' | 'wakeHolders'>;
  /** The number of the thread that it lives in. */
  readonly thread: number;
  /** Of all threads that relay. */
  readonly bells: Bells;
  /** How sockets are reached, given a server that listens; default: by their handles, where that works. */
  readonly transportOf?: (server: Server) => Transport;
  /** Others listen at the same address. */
  readonly sharesPort?: boolean;
  /** Absent in the main thread. */
  readonly ledger?: LiveLedger;
  /** Absent where clients speak as they are. */
  readonly handshakes?: Handshakes;
}
