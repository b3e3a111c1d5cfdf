import { malformed, type MalformedHello } from './client-hello.ts';

/** The beginning of the first handshake message, out of its records. */
export interface GatheredHandshake {
  readonly kind: 'handshake';
  /** Type, length in three bytes, body; what has come of it. */
  readonly message: Uint8Array;
  /** Bytes, records included, before which there is nothing new to know of it; 0 when it is whole. */
  readonly neededBytes: number;
}

const HANDSHAKE = 22;
const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const LONGEST_RECORD = 16_384;
/** Clients that know of no other reason split a greeting in two or three; each costs whoever looks at it. */
const MOST_RECORDS = 16;
const VERSION_MAJOR = 3;

/**
 * Takes the first message out of the records that carry it.
 *
 *     | 22 | 3 | x | length | fragment ... | 22 | 3 | x | length | fragment ... |
 *                           | 1 | length of the body | body ...               |
 */
export function gatherHandshake(bytes: Uint8Array, maxBytes: number): GatheredHandshake | MalformedHello {
  const fragments: Uint8Array[] = [];
  let gathered = 0;
  let wanted = Infinity;
  let at = 0;
  while (at < bytes.length && gathered < wanted) {
    if (fragments.length === MOST_RECORDS)
      return malformed('records', `is in more than ${MOST_RECORDS} records`);
    const fragmentAt = at + RECORD_HEADER_BYTES;
    const header = bytes.subarray(at, fragmentAt);
    const problem = problemOfRecord(header, at === 0);
    if (problem !== undefined) return problem;
    if (header.length < RECORD_HEADER_BYTES) break;
    at = fragmentAt + header[3]! * 256 + header[4]!;
    const fragment = bytes.subarray(fragmentAt, at);
    fragments.push(fragment);
    gathered += fragment.length;
    if (wanted === Infinity && gathered >= MESSAGE_HEADER_BYTES) wanted = lengthOf(joined(fragments));
    if (wanted !== Infinity && wanted + fragmentAt - gathered + fragment.length > maxBytes)
      return tooLong(maxBytes);
  }
  if (gathered > wanted) return malformed('length', 'is followed by something before it is answered');
  if (gathered < wanted && bytes.length >= maxBytes) return tooLong(maxBytes);
  const message = joined(fragments);
  if (gathered === wanted) return { kind: 'handshake', message, neededBytes: 0 };
  // The rest of this record, as far as it belongs to the header or to the message, or the header of the next one.
  const missing = (wanted === Infinity ? MESSAGE_HEADER_BYTES : wanted) - gathered;
  const neededBytes = at <= bytes.length ? at + RECORD_HEADER_BYTES : Math.min(at, bytes.length + missing);
  return { kind: 'handshake', message, neededBytes };
}

/** @param header of the record, or what has come of it */
function problemOfRecord(header: Uint8Array, isFirst: boolean): MalformedHello | undefined {
  const [type, major] = header;
  if (type !== HANDSHAKE || (major !== undefined && major !== VERSION_MAJOR))
    return isFirst
      ? malformed('not_tls', 'does not begin with a TLS handshake')
      : malformed('field', 'is interrupted by a record of another kind');
  if (header.length < RECORD_HEADER_BYTES) return undefined;
  const length = header[3]! * 256 + header[4]!;
  if (length > 0 && length <= LONGEST_RECORD) return undefined;
  return malformed('length', `is in a record of ${length} bytes: expected 1 to ${LONGEST_RECORD}`);
}

/** Of the message with its header, from that header. */
function lengthOf(message: Uint8Array): number {
  return MESSAGE_HEADER_BYTES + message[1]! * 65_536 + message[2]! * 256 + message[3]!;
}

function tooLong(maxBytes: number): MalformedHello {
  return malformed('too_long', `is longer than ${maxBytes} bytes`);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of parts) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
}
