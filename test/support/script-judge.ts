import type { ScriptedPeer } from './scripted-peer.ts';
import type { Ends } from './script-run.ts';

/** What a peer has seen, as far as its script determines it; the rest is `open`. */
export interface Seen {
  readonly received: number | 'open';
  readonly fin: boolean | 'open';
  /** Whether the connection broke. */
  readonly isBroken: boolean | 'open';
  /** Both FINs in their order, where one side has waited for that of the other. */
  readonly fins: string;
}

/**
 * What both peers have seen, as far as it must be the same however the bytes have travelled: all of it, unless one
 * of them aborted. Then how much has arrived before is open, and that it broke is not, for one that had not ended.
 */
export function seenBy({ client, backend }: Ends): readonly Seen[] {
  return [seen(client, backend), seen(backend, client)];
}

function seen(self: ScriptedPeer, other: ScriptedPeer): Seen {
  if (!self.hasAborted && !other.hasAborted) {
    const areInOrder = self.hasFollowed || other.hasFollowed;
    return {
      received: self.received,
      fin: self.hasSeenFin,
      isBroken: self.error !== undefined,
      fins: areInOrder ? self.fins.join(', ') : 'open',
    };
  }
  const isDetermined = !self.hasAborted && other.hasReset && !other.hasSentFin;
  return {
    received: 'open',
    fin: isDetermined ? self.hasSeenFin : 'open',
    isBroken: isDetermined ? self.error !== undefined : 'open',
    fins: 'open',
  };
}

/** What no transport may do, direct or through a proxy; nothing when all is well. */
export function wrongsOf({ client, backend }: Ends): readonly string[] {
  return [...wrongs(client, backend), ...wrongs(backend, client)];
}

function wrongs(self: ScriptedPeer, other: ScriptedPeer): readonly string[] {
  const isCalm = !self.hasAborted && !other.hasAborted;
  const found = [
    self.wrongAt !== undefined && `a wrong byte at ${self.wrongAt}`,
    self.received > other.sent && `more bytes than were sent`,
    self.hasSeenFin && !other.hasSentFin && 'a FIN that nobody sent',
    self.hasSeenFin && self.received !== other.sent && 'a FIN before the last byte',
    isCalm && !self.hasSeenFin && 'no FIN',
    isCalm && self.error !== undefined && `a connection that broke by itself`,
  ];
  return found
    .filter((text) => text !== false)
    .map((text) => `${text}: ${self.describe()}, the other side: ${other.describe()}`);
}
