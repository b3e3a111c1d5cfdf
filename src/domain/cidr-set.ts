import { EdgeProxyError } from '../errors.ts';
import { type Cidr, parseCidr } from './address.ts';

const ADDRESS_WORDS = 4;
const WORD_BITS = 32;
const MAPPED = 0xffff;

/**
 * Networks that an address is in or not. A look-up is a binary search over numbers and allocates nothing.
 *
 * IPv4 and IPv6 are apart: a mapped address (`::ffff:192.0.2.1`) is in IPv4 networks only, and `::/0` holds no IPv4
 * address.
 */
export class CidrSet {
  readonly #ipv4: Ipv4Ranges;
  readonly #ipv6: Ipv6Ranges;

  /** Fails with `ERR_SETTINGS_INVALID` on text that is no network; a network may be given twice. */
  constructor(networks: readonly string[]) {
    const parsed = networks.map(parseNetwork);
    const rangesOf = (family: 4 | 6): readonly Range[] =>
      outermost(parsed.filter((network) => network.family === family).map(rangeOf));
    this.#ipv4 = new Ipv4Ranges(rangesOf(4));
    this.#ipv6 = new Ipv6Ranges(rangesOf(6));
  }

  /** @param words an address as four 32-bit words, most significant first; IPv4 in its mapped form */
  contains(words: Uint32Array): boolean {
    const isIpv4 = words[2] === MAPPED && words[1] === 0 && words[0] === 0;
    return isIpv4 ? this.#ipv4.holds(words[3]!) : this.#ipv6.holds(words);
  }
}

/** The first and the last address of a network, as words. */
interface Range {
  readonly first: readonly number[];
  readonly last: readonly number[];
}

class Ipv4Ranges {
  readonly #firsts: Uint32Array;
  readonly #lasts: Uint32Array;

  constructor(ranges: readonly Range[]) {
    this.#firsts = Uint32Array.from(ranges.flatMap(({ first }) => first));
    this.#lasts = Uint32Array.from(ranges.flatMap(({ last }) => last));
  }

  holds(address: number): boolean {
    const firsts = this.#firsts;
    let low = 0;
    let high = firsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (firsts[middle]! <= address) low = middle + 1;
      else high = middle;
    }
    return low > 0 && address <= this.#lasts[low - 1]!;
  }
}

class Ipv6Ranges {
  readonly #firsts: Uint32Array;
  readonly #lasts: Uint32Array;

  constructor(ranges: readonly Range[]) {
    this.#firsts = Uint32Array.from(ranges.flatMap(({ first }) => first));
    this.#lasts = Uint32Array.from(ranges.flatMap(({ last }) => last));
  }

  holds(address: Uint32Array): boolean {
    let low = 0;
    let high = this.#firsts.length / ADDRESS_WORDS;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (difference(this.#firsts, middle, address) <= 0) low = middle + 1;
      else high = middle;
    }
    return low > 0 && difference(this.#lasts, low - 1, address) >= 0;
  }
}

/** Below, at or above 0 as the bound is to the address. */
function difference(bounds: Uint32Array, index: number, address: Uint32Array): number {
  const from = index * ADDRESS_WORDS;
  for (let word = 0; word < ADDRESS_WORDS; word++) {
    const apart = bounds[from + word]! - address[word]!;
    if (apart !== 0) return apart;
  }
  return 0;
}

/** The ranges that are in no other one, in order. Networks nest or are apart. */
function outermost(ranges: readonly Range[]): readonly Range[] {
  const outer: Range[] = [];
  // Of two that begin alike the larger one comes first.
  for (const range of ranges.toSorted((a, b) => compare(a.first, b.first) || compare(b.last, a.last)))
    if (outer.length === 0 || compare(outer.at(-1)!.last, range.first) < 0) outer.push(range);
  return outer;
}

function parseNetwork(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new EdgeProxyError('ERR_SETTINGS_INVALID', `the network "${text}" ${parsed.problem}`);
  return parsed;
}

function rangeOf(network: Cidr): Range {
  const first =
    network.family === 4
      ? [network.value]
      : [96n, 64n, 32n, 0n].map((shift) => Number((network.value >> shift) & 0xffff_ffffn));
  const last = first.map((word, index) => {
    const hostBits = Math.min(WORD_BITS, Math.max(0, WORD_BITS * (index + 1) - network.prefixLength));
    return word + (2 ** hostBits - 1);
  });
  return { first, last };
}

function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((word, at) => word !== b[at]);
  return index < 0 ? 0 : a[index]! - b[index]!;
}
