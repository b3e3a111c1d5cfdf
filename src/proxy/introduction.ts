import type { Announcement } from '../domain/proxy-protocol/relayed-header.ts';

/** How a client has begun of whom something has been read before it has a backend. */
export interface Introduction {
  /** Whom a trusted proxy speaks for; absent for a client that speaks for itself. */
  readonly announcement: Announcement | undefined;
  /** What has been read that is for the backend. */
  readonly surplus: Uint8Array;
  /** Its FIN has been read as well. */
  readonly hasEnded: boolean;
}

/** Whether something has been read of a client that is for its backend. */
export function hasSpoken(introduction: Introduction | undefined): boolean {
  return introduction !== undefined && introduction.surplus.length > 0;
}
