import { normalizeAddress, parseAddress } from './address.ts';

/** The third word of every IPv4 address in its mapped form (`::ffff:192.0.2.1`); the two before it are 0. */
export const MAPPED_WORD = 0xffff;

/**
 * Writes an address as four 32-bit words, most significant first; an IPv4 address in its mapped form.
 *
 * False, with nothing written, when the text is no address.
 */
export function writeAddressWords(text: string, into: Uint32Array): boolean {
  const parsed = parseAddress(text);
  if (parsed === undefined) return false;
  if (parsed.family === 4) {
    into.fill(0, 0, 2);
    into[2] = MAPPED_WORD;
    into[3] = parsed.value;
  } else {
    for (let word = 0; word < 4; word++)
      into[word] = Number((parsed.value >> BigInt(96 - 32 * word)) & 0xffff_ffffn);
  }
  return true;
}

/** Whether the words are an IPv4 address. */
export function isIpv4Words(words: ArrayLike<number>): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === MAPPED_WORD;
}

/** Canonical text (RFC 5952); a mapped address as the IPv4 address that it stands for. */
export function addressText(words: Uint32Array): string {
  return isIpv4Words(words) ? dottedText(words[3]!) : normalizeAddress(groupsText(words));
}

/** The eight groups of an IPv6 address in hexadecimal, a mapped address too. */
export function groupsText(words: Uint32Array): string {
  return Array.from(words, (word) => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`).join(
    ':',
  );
}

function dottedText(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}
