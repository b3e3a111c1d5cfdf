/** One type-length-value vector of a header of version 2. */
export interface Tlv {
  /** 0 to 255. */
  readonly type: number;
  /** 65,535 bytes at most. */
  readonly value: Uint8Array;
}

/** Of a vector that the specification has a meaning for which concerns a relay. */
export const TLV_TYPE = { CRC32C: 0x03 } as const;

const FIXED_BYTES = 3;

/** The vectors in a row of them, or `undefined` when one does not end with, or within, the bytes. The values are views. */
export function readTlvs(bytes: Uint8Array): readonly Tlv[] | undefined {
  const tlvs: Tlv[] = [];
  for (let at = 0; at < bytes.length;) {
    const valueAt = at + FIXED_BYTES;
    if (valueAt > bytes.length) return undefined;
    const end = valueAt + bytes[at + 1]! * 256 + bytes[at + 2]!;
    if (end > bytes.length) return undefined;
    tlvs.push({ type: bytes[at]!, value: bytes.subarray(valueAt, end) });
    at = end;
  }
  return tlvs;
}

/** A row of vectors as bytes; fails with a `RangeError` on a value that no vector can hold. */
export function writeTlvs(tlvs: readonly Tlv[]): Uint8Array {
  const bytes = new Uint8Array(tlvs.reduce((sum, { value }) => sum + FIXED_BYTES + value.length, 0));
  let at = 0;
  for (const { type, value } of tlvs) {
    if (value.length > 0xffff) throw new RangeError(`a TLV of ${value.length} bytes: expected at most 65535`);
    bytes.set([type, value.length >> 8, value.length & 255], at);
    bytes.set(value, at + FIXED_BYTES);
    at += FIXED_BYTES + value.length;
  }
  return bytes;
}
