import type { IpAddress } from '../ip-address.ts';

/** A client that has been admitted, from then until it has gone. */
export interface Guest {
  readonly address: IpAddress;
  /** The incarnation of the backend that it holds a place at. */
  readonly incarnation: string | undefined;
  /** Leaves its backend: gets another one, or is cut off. */
  leaveBackend(): void;
  /** Ends it at once. */
  abort(): void;
  /** To be called now and then: ends what has taken too long. */
  check(nowMs: number): void;
}
