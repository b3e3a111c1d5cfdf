import { MAPPED_WORD } from '../address-words.ts';
import { crc32c } from './crc32c.ts';
import {
  ADDRESS_BYTES,
  incomplete,
  malformed,
  type MalformedHeader,
  type ParsedHeader,
  type ProxyAnnouncement,
  type ProxyEndpoints,
  V2_FIXED_BYTES,
} from './header.ts';
import { readTlvs, TLV_TYPE } from './tlvs.ts';

const VERSION_AT = 12;
const FAMILY_AT = 13;
const LENGTH_AT = 14;

const FAMILIES = ['unspecified', 'inet', 'inet6', 'unix'] as const;
const TRANSPORTS = ['unspecified', 'stream', 'datagram'] as const;
const COMMANDS = ['local', 'proxy'] as const;

const LOCAL: ProxyAnnouncement = { command: 'local', transport: 'unspecified', endpoints: undefined };

/** The binary form, once its signature, or what has come of it, has been recognised. */
export function parseV2(bytes: Uint8Array, byteCount: number, maxBytes: number): ParsedHeader {
  if (byteCount <= VERSION_AT) return incomplete(V2_FIXED_BYTES);
  const version = bytes[VERSION_AT]! >> 4;
  if (version !== 2) return malformed('version', `is of version ${version}: expected 2`);
  const commandNumber = bytes[VERSION_AT]! & 15;
  const command = COMMANDS[commandNumber];
  if (command === undefined) return malformed('command', `has the unassigned command ${commandNumber}`);
  if (byteCount < V2_FIXED_BYTES) return incomplete(V2_FIXED_BYTES);
  const headerBytes = V2_FIXED_BYTES + bytes[LENGTH_AT]! * 256 + bytes[LENGTH_AT + 1]!;
  if (headerBytes > maxBytes)
    return malformed('too_long', `says that it has ${headerBytes} bytes: at most ${maxBytes} are taken`);
  if (byteCount < headerBytes) return incomplete(headerBytes);
  const header = bytes.subarray(0, headerBytes);
  // What follows is to be skipped, the family with it.
  if (command === 'local')
    return { ...LOCAL, kind: 'header', version: 2, headerBytes, tlvs: header.subarray(headerBytes) };
  return parseProxied(header);
}

/** @param header all of it, and nothing else */
function parseProxied(header: Uint8Array): ParsedHeader {
  const family = FAMILIES[header[FAMILY_AT]! >> 4];
  const transport = TRANSPORTS[header[FAMILY_AT]! & 15];
  if (family === undefined || transport === undefined)
    return malformed(
      'family',
      `has the unassigned family and transport 0x${header[FAMILY_AT]!.toString(16)}`,
    );
  const tlvsAt = V2_FIXED_BYTES + ADDRESS_BYTES[family];
  if (tlvsAt > header.length)
    return malformed('length', `is shorter than the addresses that it announces (${family})`);
  const rest = header.subarray(tlvsAt);
  // Without a family nobody knows whether vectors are what follows; the rest is to be ignored when they are not.
  const isOpaque = family === 'unspecified' && readTlvs(rest) === undefined;
  const tlvs = isOpaque ? rest.subarray(rest.length) : rest;
  const problem = problemOfTlvs(header, tlvs);
  if (problem !== undefined) return problem;
  return {
    ...announcementOf(header, family, transport),
    kind: 'header',
    version: 2,
    headerBytes: header.length,
    tlvs,
  };
}

function announcementOf(
  header: Uint8Array,
  family: (typeof FAMILIES)[number],
  transport: (typeof TRANSPORTS)[number],
): ProxyAnnouncement {
  const isInternet = family === 'inet' || family === 'inet6';
  if (transport === 'unspecified' || family === 'unspecified')
    return { command: 'proxy', transport: 'unspecified', endpoints: undefined };
  if (!isInternet) return { command: 'proxy', transport: `unix_${transport}`, endpoints: undefined };
  const protocol = transport === 'stream' ? 'tcp' : 'udp';
  const version = family === 'inet' ? '4' : '6';
  return { command: 'proxy', transport: `${protocol}${version}`, endpoints: endpointsOf(header, family) };
}

function endpointsOf(header: Uint8Array, family: 'inet' | 'inet6'): ProxyEndpoints {
  const view = new DataView(header.buffer, header.byteOffset + V2_FIXED_BYTES, ADDRESS_BYTES[family]);
  const addressBytes = family === 'inet' ? 4 : 16;
  const wordsAt = (at: number): Uint32Array =>
    family === 'inet'
      ? Uint32Array.of(0, 0, MAPPED_WORD, view.getUint32(at))
      : Uint32Array.from({ length: 4 }, (_, word) => view.getUint32(at + 4 * word));
  return {
    source: wordsAt(0),
    destination: wordsAt(addressBytes),
    sourcePort: view.getUint16(2 * addressBytes),
    destinationPort: view.getUint16(2 * addressBytes + 2),
  };
}

function problemOfTlvs(header: Uint8Array, bytes: Uint8Array): MalformedHeader | undefined {
  const tlvs = readTlvs(bytes);
  if (tlvs === undefined) return malformed('tlv', 'has a TLV that does not end with, or within, the header');
  const checksums = tlvs.filter(({ type }) => type === TLV_TYPE.CRC32C);
  if (checksums.length > 1) return malformed('checksum', 'has more than one checksum');
  const field = checksums[0]?.value;
  if (field === undefined) return undefined;
  if (field.length !== 4) return malformed('checksum', `has a checksum of ${field.length} bytes: expected 4`);
  const announced = new DataView(field.buffer, field.byteOffset, 4).getUint32(0);
  if (announced === crc32c(header, field.byteOffset - header.byteOffset)) return undefined;
  return malformed('checksum', 'does not have the checksum that it announces');
}
