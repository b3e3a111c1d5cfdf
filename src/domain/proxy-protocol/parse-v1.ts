import { writeAddressWords } from '../address-words.ts';
import {
  incomplete,
  LONGEST_V1_BYTES,
  malformed,
  type ParsedHeader,
  type ProxyAnnouncement,
  type ProxyEndpoints,
  SHORTEST_V1_BYTES,
} from './header.ts';

const CR = 13;
const LF = 10;

const NO_TLVS: Uint8Array = new Uint8Array();
const UNKNOWN: ProxyAnnouncement = { command: 'proxy', transport: 'unspecified', endpoints: undefined };

const DECIMAL_PORT = /^(?:0|[1-9]\d{0,4})$/;
const IPV4_CHARACTERS = /^[\d.]+$/;
/** Groups of four digits at most; a mapped address may end in its IPv4 form, as `inet_ntop` writes it. */
const IPV6_CHARACTERS = /^(?=.*:)(?:[\da-fA-F]{0,4}:)*(?:[\da-fA-F]{0,4}|\d{1,3}(?:\.\d{1,3}){3})$/;

/** A line of text, once its start has been recognised. */
export function parseV1(bytes: Uint8Array, byteCount: number, maxBytes: number): ParsedHeader {
  const longest = Math.min(LONGEST_V1_BYTES, maxBytes);
  const length = Math.min(byteCount, longest);
  for (let index = 0; index < length; index++) {
    const byte = bytes[index]!;
    if (byte === LF) return malformed('line', 'ends in LF without CR');
    if (byte !== CR) continue;
    if (index + 1 >= longest) break;
    if (index + 1 === length) return incomplete(Math.max(SHORTEST_V1_BYTES, byteCount + 1));
    if (bytes[index + 1] !== LF) return malformed('line', 'has a CR that no LF follows');
    return parseLine(String.fromCharCode(...bytes.subarray(0, index)), index + 2);
  }
  if (byteCount >= longest) return malformed('too_long', `does not end within ${longest} bytes`);
  return incomplete(Math.max(SHORTEST_V1_BYTES, byteCount + 1));
}

function parseLine(line: string, headerBytes: number): ParsedHeader {
  const fields = line.split(' ');
  const protocol = fields[1];
  // Whatever follows it is to be ignored.
  if (protocol === 'UNKNOWN') return { ...UNKNOWN, kind: 'header', version: 1, headerBytes, tlvs: NO_TLVS };
  if (protocol !== 'TCP4' && protocol !== 'TCP6')
    return malformed('line', 'names another protocol than TCP4, TCP6 or UNKNOWN');
  const [, , source, destination, sourcePort, destinationPort, ...more] = fields;
  if (destinationPort === undefined || more.length > 0)
    return malformed('line', 'has not six fields with a space between two');
  const characters = protocol === 'TCP4' ? IPV4_CHARACTERS : IPV6_CHARACTERS;
  const endpoints: ProxyEndpoints = {
    source: new Uint32Array(4),
    sourcePort: portOf(sourcePort!),
    destination: new Uint32Array(4),
    destinationPort: portOf(destinationPort),
  };
  const hasAddress = (text: string, words: Uint32Array): boolean =>
    characters.test(text) && writeAddressWords(text, words);
  if (!hasAddress(source!, endpoints.source))
    return malformed('line', `has a source that is no ${protocol} address`);
  if (!hasAddress(destination!, endpoints.destination))
    return malformed('line', `has a destination that is no ${protocol} address`);
  if (endpoints.sourcePort < 0 || endpoints.destinationPort < 0)
    return malformed('line', 'has a port that is no number from 0 to 65535 without leading zeros');
  const transport = protocol === 'TCP4' ? 'tcp4' : 'tcp6';
  return { kind: 'header', version: 1, command: 'proxy', transport, endpoints, headerBytes, tlvs: NO_TLVS };
}

/** -1 when it is none. */
function portOf(text: string): number {
  return DECIMAL_PORT.test(text) && Number(text) <= 0xffff ? Number(text) : -1;
}
