import {
  type Announcement,
  type HeaderMode,
  relayedHeader,
} from '../domain/proxy-protocol/relayed-header.ts';
import { IpAddress } from './ip-address.ts';
import type { Wire } from './net/wire.ts';

const NOTHING = new Uint8Array();

/** What a backend is sent before the first byte of a client. @param address of the client */
export function openingHeader(
  mode: HeaderMode,
  client: Wire,
  address: IpAddress,
  announcement: Announcement | undefined,
): Uint8Array {
  const ends = mode === 'off' ? undefined : client.ends();
  // A client that has gone has no addresses any more, and no use for a backend.
  if (mode === 'off' || ends === undefined) return NOTHING;
  return relayedHeader(mode, announcement, () => ({
    source: address.words,
    sourcePort: ends.remotePort,
    destination: IpAddress.of(ends.localAddress).words,
    destinationPort: ends.localPort,
  }));
}
