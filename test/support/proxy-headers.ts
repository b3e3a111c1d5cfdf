import * as fc from 'fast-check';
import { writeAddressWords } from '../../src/domain/address-words.ts';
import { encodeV1, encodeV2, encodeV2Local } from '../../src/domain/proxy-protocol/encode.ts';
import type { ProxyEndpoints } from '../../src/domain/proxy-protocol/header.ts';
import { type Tlv, TLV_TYPE, writeTlvs } from '../../src/domain/proxy-protocol/tlvs.ts';

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, '').match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

export function wordsOf(text: string): Uint32Array {
  const words = new Uint32Array(4);
  if (!writeAddressWords(text, words)) throw new TypeError(`"${text}" is not an address`);
  return words;
}

export function endpointsOf(
  source: string,
  sourcePort: number,
  destination: string,
  destinationPort: number,
): ProxyEndpoints {
  return { source: wordsOf(source), sourcePort, destination: wordsOf(destination), destinationPort };
}

const port = fc.integer({ min: 0, max: 65_535 });
const addressPair = fc.oneof(
  fc.tuple(fc.ipV4(), fc.ipV4()),
  fc.tuple(fc.ipV6(), fc.ipV6()),
  fc.tuple(fc.ipV4(), fc.ipV6()),
);

export const someEndpoints = fc
  .tuple(addressPair, port, port)
  .map(([[source, destination], from, to]) => endpointsOf(source, from, destination, to));

/** Never the type of the checksum, which has a form of its own. */
const plainTlv: fc.Arbitrary<Tlv> = fc.record({
  type: fc.integer({ min: 0, max: 255 }).filter((type) => type !== TLV_TYPE.CRC32C),
  value: fc.uint8Array({ maxLength: 300 }),
});
const checksum: Tlv = { type: TLV_TYPE.CRC32C, value: new Uint8Array(4) };

export const someTlvs = fc
  .tuple(fc.array(plainTlv, { maxLength: 5 }), fc.boolean(), fc.nat(5))
  .map(([tlvs, isChecked, at]) => writeTlvs(isChecked ? tlvs.toSpliced(at, 0, checksum) : tlvs));

export const someHeader = fc.oneof(
  fc.option(someEndpoints, { nil: undefined }).map(encodeV1),
  fc
    .tuple(fc.option(someEndpoints, { nil: undefined }), someTlvs)
    .map(([endpoints, tlvs]) => encodeV2(endpoints, tlvs)),
  someTlvs.map((tlvs) => encodeV2Local(tlvs)),
);
