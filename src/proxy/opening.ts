import { type HeaderMode, relayedHeader } from '../domain/proxy-protocol/relayed-header.ts';
import type { Introduction } from './introduction.ts';
import { IpAddress } from './ip-address.ts';
import type { Wire } from './net/wire.ts';
import type { Opening } from './relay.ts';

const NOTHING = new Uint8Array();

/**
 * What a backend is sent before what is read from a client from then on; `undefined` for nothing.
 *
 * @param address of the client
 */
export function openingOf(
  mode: HeaderMode,
  client: Wire,
  address: IpAddress,
  introduction: Introduction | undefined,
): Opening | undefined {
  if (introduction === undefined && mode === 'off') return undefined;
  const { surplus = NOTHING, hasEnded = false } = introduction ?? {};
  return { header: headerOf(mode, client, address, introduction), surplus, hasEnded };
}

function headerOf(
  mode: HeaderMode,
  client: Wire,
  address: IpAddress,
  introduction: Introduction | undefined,
): Uint8Array {
  const ends = mode === 'off' ? undefined : client.ends();
  // A client that has gone has no addresses any more, and no use for a backend.
  if (mode === 'off' || ends === undefined) return NOTHING;
  return relayedHeader(mode, introduction?.announcement, () => ({
    source: address.words,
    sourcePort: ends.remotePort,
    destination: IpAddress.of(ends.localAddress).words,
    destinationPort: ends.localPort,
  }));
}
