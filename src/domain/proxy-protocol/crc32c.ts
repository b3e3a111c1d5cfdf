/** Of the Castagnoli polynomial, bits reversed. Source: RFC 4960, Appendix B. */
const REVERSED_POLYNOMIAL = 0x82f6_3b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ REVERSED_POLYNOMIAL : value >>> 1;
  return value;
});

/**
 * CRC32c of bytes, a number of 32 bits.
 *
 * @param zerosAt four bytes from here count as 0: the field of a header that holds its own checksum
 */
export function crc32c(bytes: Uint8Array, zerosAt = bytes.length): number {
  let state = 0xffff_ffff;
  for (let index = 0; index < bytes.length; index++) {
    const byte = index >= zerosAt && index < zerosAt + 4 ? 0 : bytes[index]!;
    state = TABLE[(state ^ byte) & 255]! ^ (state >>> 8);
  }
  return (state ^ 0xffff_ffff) >>> 0;
}
