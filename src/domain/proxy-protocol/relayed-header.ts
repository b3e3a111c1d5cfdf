import { encodeV1, encodeV2 } from './encode.ts';
import type { ProxyEndpoints, ProxyHeader } from './header.ts';

/** What a connection to a backend begins with. */
export const HEADER_MODES = ['off', 'v1', 'v2'] as const;

export type HeaderMode = (typeof HEADER_MODES)[number];

/** What a trusted proxy has said of its client, as far as it is of use here. */
export interface Announcement {
  /** Absent when the header names no TCP connection: then the real endpoints count. */
  readonly endpoints: ProxyEndpoints | undefined;
  /** To be passed on; a copy. */
  readonly tlvs: Uint8Array;
}

/** What is to be kept of a header that has been read. */
export function announcementOf(header: ProxyHeader): Announcement {
  const isTcp = header.transport === 'tcp4' || header.transport === 'tcp6';
  return { endpoints: isTcp ? header.endpoints : undefined, tlvs: header.tlvs.slice() };
}

/**
 * The header that is passed on to a backend; version 1 has no room for vectors.
 *
 * @param real the endpoints of the client's connection itself
 */
export function relayedHeader(
  mode: Exclude<HeaderMode, 'off'>,
  announcement: Announcement | undefined,
  real: () => ProxyEndpoints,
): Uint8Array {
  const endpoints = announcement?.endpoints ?? real();
  return mode === 'v1' ? encodeV1(endpoints) : encodeV2(endpoints, announcement?.tlvs);
}
