import {
  incomplete,
  malformed,
  type ParsedHeader,
  SHORTEST_V1_BYTES,
  V1_START,
  V2_SIGNATURE,
} from './header.ts';
import { parseV1 } from './parse-v1.ts';
import { parseV2 } from './parse-v2.ts';

/** What nginx takes at most, and more than anybody is known to send. */
export const LONGEST_HEADER_BYTES = 4_096;

/**
 * Reads the PROXY header, of either version, that a connection begins with.
 *
 * What has come so far is parsed from its first byte each time, so the caller keeps no state but the bytes. A header
 * that has a wrong byte is malformed as soon as that is seen; addresses are looked at when all of them are here.
 *
 * The checksum of version 2 (CRC32c) is verified when there is one. Vectors of other types are not looked into.
 *
 * @param bytes what the connection began with, `byteCount` of them
 * @param maxBytes a longer header is malformed
 */
export function parseProxyHeader(
  bytes: Uint8Array,
  byteCount: number,
  maxBytes = LONGEST_HEADER_BYTES,
): ParsedHeader {
  if (byteCount === 0) return incomplete(SHORTEST_V1_BYTES);
  if (startsLike(bytes, byteCount, V2_SIGNATURE)) return parseV2(bytes, byteCount, maxBytes);
  if (startsLike(bytes, byteCount, V1_START)) return parseV1(bytes, byteCount, maxBytes);
  return malformed('signature', 'begins like neither version of the protocol');
}

function startsLike(bytes: Uint8Array, byteCount: number, start: Uint8Array): boolean {
  for (let index = 0; index < start.length && index < byteCount; index++)
    if (bytes[index] !== start[index]) return false;
  return true;
}
