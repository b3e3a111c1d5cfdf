import { MAPPED_WORD } from '../domain/address-words.ts';

const WORD_BITS = 32;

/** What makes a client: an IPv4 address, or a prefix of IPv6 addresses. */
export class ClientKey {
  readonly #masks: Uint32Array;
  readonly #key = new Uint32Array(4);

  /** @param ipv6Prefix in bits, 1 to 128 */
  constructor(ipv6Prefix: number) {
    this.#masks = Uint32Array.from({ length: 4 }, (_, word) => maskOf(ipv6Prefix - word * WORD_BITS));
  }

  /** The key of an address, valid until the next call. */
  of(words: Uint32Array): Uint32Array {
    const isIpv4 = words[2] === MAPPED_WORD && words[1] === 0 && words[0] === 0;
    if (isIpv4) return words;
    for (let word = 0; word < 4; word++) this.#key[word] = words[word]! & this.#masks[word]!;
    return this.#key;
  }
}

/** @param bits how many of a word's upper bits are kept; below 0 none, above 32 all */
export function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= WORD_BITS ? 0xffff_ffff : (0xffff_ffff << (WORD_BITS - bits)) >>> 0;
}
