import type { ConnectionPhase } from '../connection-options.ts';
import type { IpAddress } from '../ip-address.ts';
import type { Place } from '../place.ts';
import type { Wire } from './wire.ts';

/** A client that has been admitted, from then until it has gone. */
export interface Guest {
  readonly address: IpAddress;
  /** Number of the app that it has come for; `BY_SERVER_NAME` until that is known. */
  readonly app: number;
  readonly phase: ConnectionPhase;
  /** At its backend, as long as it holds one. */
  readonly place: Place | undefined;
  /** Leaves its backend: gets another one, or is cut off. */
  leaveBackend(): void;
  /** Ends it at once. */
  abort(): void;
  /** To be called now and then: ends what has taken too long. */
  check(nowMs: number): void;
}

/** What becomes of a client that shakes hands. */
export interface HandshakeHooks {
  /**
   * It is over, and its client speaks through this wire from now on.
   *
   * @param serverName that it has asked for, in lower case
   */
  onSecured(wire: Wire, serverName: string | undefined): void;
  /** The client has gone. */
  onEnded(): void;
}

/** What clients go through between their admission and their backend. */
export interface Handshakes {
  /** In all threads. */
  readonly underWay: number;
  /** Reserves one; false when as many are under way, in all threads, as may be. */
  mayBegin(): boolean;
  /** Begins the one that was reserved. @param surplus what has been read of the client already */
  begin(client: Wire, address: IpAddress, surplus: Uint8Array, hooks: HandshakeHooks): Guest;
}
