import { malformed, type MalformedHello } from './client-hello.ts';

/** The beginning of the first handshake message, out of its records. */
export interface GatheredHandshake {
  readonly kind: 'handshake';
  /** Type, length in three bytes, body; what has come of it. */
  readonly message: Uint8Array;
  readonly isWhole: boolean;
}

const HANDSHAKE = 22;
const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const LONGEST_RECORD = 16_384;
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
  for (let at = 0; at < bytes.length && gathered < wanted;) {
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
  if (gathered < wanted) return bytes.length >= maxBytes ? tooLong(maxBytes) : part(fragments);
  if (gathered > wanted) return malformed('length', 'is followed by something before it is answered');
  return { kind: 'handshake', message: joined(fragments), isWhole: true };
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

function part(fragments: readonly Uint8Array[]): GatheredHandshake {
  return { kind: 'handshake', message: joined(fragments), isWhole: false };
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
