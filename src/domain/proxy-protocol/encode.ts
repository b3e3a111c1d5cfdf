import { addressText, groupsText, isIpv4Words } from '../address-words.ts';
import { crc32c } from './crc32c.ts';
import { ADDRESS_BYTES, asciiBytes, type ProxyEndpoints, V2_FIXED_BYTES, V2_SIGNATURE } from './header.ts';
import { readTlvs, TLV_TYPE } from './tlvs.ts';

const VERSION_2 = 0x20;
const COMMAND = { LOCAL: 0, PROXY: 1 } as const;
const FAMILY = { UNSPECIFIED: 0x00, TCP4: 0x11, TCP6: 0x21 } as const;

const NO_TLVS: Uint8Array = new Uint8Array();

/** A header of version 1; `UNKNOWN` without endpoints, which some receivers refuse. */
export function encodeV1(endpoints: ProxyEndpoints | undefined): Uint8Array {
  if (endpoints === undefined) return asciiBytes('PROXY UNKNOWN\r\n');
  const { source, sourcePort, destination, destinationPort } = endpoints;
  const isIpv4 = isIpv4Words(source) && isIpv4Words(destination);
  // The specification has no dotted form in TCP6, so a mapped address is written in groups.
  const textOf = (words: Uint32Array): string =>
    !isIpv4 && isIpv4Words(words) ? groupsText(words) : addressText(words);
  const protocol = isIpv4 ? 'TCP4' : 'TCP6';
  return asciiBytes(
    `PROXY ${protocol} ${textOf(source)} ${textOf(destination)} ${sourcePort} ${destinationPort}\r\n`,
  );
}

/**
 * A header of version 2 for a connection that is relayed; of no family without endpoints.
 *
 * @param tlvs a row of vectors as `writeTlvs` makes it; the checksum among them, when there is one, is computed anew
 */
export function encodeV2(endpoints: ProxyEndpoints | undefined, tlvs = NO_TLVS): Uint8Array {
  if (endpoints === undefined) return encode(COMMAND.PROXY, FAMILY.UNSPECIFIED, 0, tlvs);
  const isIpv4 = isIpv4Words(endpoints.source) && isIpv4Words(endpoints.destination);
  const family = isIpv4 ? FAMILY.TCP4 : FAMILY.TCP6;
  const addressBytes = isIpv4 ? ADDRESS_BYTES.inet : ADDRESS_BYTES.inet6;
  return encode(COMMAND.PROXY, family, addressBytes, tlvs, (view) => {
    const firstWord = isIpv4 ? 3 : 0;
    let at = 0;
    for (const words of [endpoints.source, endpoints.destination])
      for (const word of words.subarray(firstWord)) {
        view.setUint32(at, word);
        at += 4;
      }
    view.setUint16(at, endpoints.sourcePort);
    view.setUint16(at + 2, endpoints.destinationPort);
  });
}

/** A header of version 2 for a connection that the sender makes for itself, such as a health check. */
export function encodeV2Local(tlvs = NO_TLVS): Uint8Array {
  return encode(COMMAND.LOCAL, FAMILY.UNSPECIFIED, 0, tlvs);
}

function encode(
  command: number,
  family: number,
  addressBytes: number,
  tlvs: Uint8Array,
  writeAddresses?: (view: DataView) => void,
): Uint8Array {
  const length = addressBytes + tlvs.length;
  if (length > 0xffff)
    throw new RangeError(`a header with ${length} bytes after its start: expected at most 65535`);
  const header = new Uint8Array(V2_FIXED_BYTES + length);
  header.set(V2_SIGNATURE);
  header.set([VERSION_2 | command, family, length >> 8, length & 255], V2_SIGNATURE.length);
  writeAddresses?.(new DataView(header.buffer, V2_FIXED_BYTES, addressBytes));
  header.set(tlvs, V2_FIXED_BYTES + addressBytes);
  const vectors = readTlvs(header.subarray(V2_FIXED_BYTES + addressBytes));
  const field = vectors?.find(({ type }) => type === TLV_TYPE.CRC32C)?.value;
  if (field?.length === 4)
    new DataView(header.buffer, field.byteOffset).setUint32(0, crc32c(header, field.byteOffset));
  return header;
}
