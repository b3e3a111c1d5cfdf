import type { RefusalReason } from '../domain/outcome.ts';
import type { Logger, MonotonicClock } from '../domain/ports.ts';
import type { Connection } from './connection.ts';
import type { DialClock } from './net/dial-clock.ts';
import type { HeldDials } from './net/held-dials.ts';
import type { WarmWires } from './net/warm-wires.ts';
import type { WaitingLines } from './net/waiting-lines.ts';
import type { Transport } from './net/wire.ts';
import type { PlaceOptions } from './place.ts';
import type { Occupants } from './slot-table.ts';
import type { Timeouts } from './timeouts.ts';

/** `ending`: nothing new is begun, and what the backend does now says nothing about it. */
export type ConnectionPhase = 'dialling' | 'waiting' | 'relaying' | 'ending';

export interface ConnectionOptions extends PlaceOptions {
  readonly transport: Transport;
  readonly warm: WarmWires;
  readonly heldDials: HeldDials;
  readonly dialClock: DialClock;
  readonly slots: Occupants;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  /** Read anew each time. */
  readonly timeouts: Timeouts;
  readonly lines: WaitingLines;
  /** A connect failed for a reason that lies with this machine; called once an attempt. */
  readonly onLocalTrouble: (backendId: string, detail: string) => void;
  readonly onRefused: (reason: RefusalReason, client: string) => void;
  /** Everything that the connection held is released; called once. */
  readonly onEnded: (connection: Connection) => void;
}
