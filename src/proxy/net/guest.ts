import type { ConnectionPhase } from '../connection-options.ts';
import type { IpAddress } from '../ip-address.ts';
import type { Place } from '../place.ts';

/** A client that has been admitted, from then until it has gone. */
export interface Guest {
  readonly address: IpAddress;
  /** That it holds at a backend. */
  readonly place: Place | undefined;
  readonly phase: ConnectionPhase;
  /** Leaves its backend: gets another one, or is cut off. */
  leaveBackend(): void;
  /** Ends it at once. */
  abort(): void;
  /** To be called now and then: ends what has taken too long. */
  check(nowMs: number): void;
}
