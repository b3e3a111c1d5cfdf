import { normalizeAddress, parseAddress } from '../domain/address.ts';

const MAPPED = 0x0000_ffff;

/**
 * An address as four 32-bit words, most significant first; an IPv4 address is in its mapped form.
 *
 * An engine that keeps the words elsewhere reuses one of these for every client; the text is made when somebody asks.
 */
export class IpAddress {
  readonly words = new Uint32Array(4);
  #text: string | undefined;

  /** @param text an IPv4 or IPv6 address; throws a `TypeError` on anything else, which no socket has as its peer */
  static of(text: string): IpAddress {
    const parsed = parseAddress(text);
    if (parsed === undefined) throw new TypeError(`"${text}" is not an address`);
    const address = new IpAddress();
    if (parsed.family === 4) address.set(0, 0, MAPPED, parsed.value);
    else {
      const word = (shift: bigint): number => Number((parsed.value >> shift) & 0xffff_ffffn);
      address.set(word(96n), word(64n), word(32n), word(0n));
    }
    return address;
  }

  set(first: number, second: number, third: number, fourth: number): void {
    this.words[0] = first;
    this.words[1] = second;
    this.words[2] = third;
    this.words[3] = fourth;
    this.#text = undefined;
  }

  setIpv4(value: number): void {
    this.set(0, 0, MAPPED, value);
  }

  /** Canonical text; a mapped address as the IPv4 address that it stands for. */
  get text(): string {
    return (this.#text ??= this.#toText());
  }

  toString(): string {
    return this.text;
  }

  #toText(): string {
    const [first, second, third, last] = this.words as unknown as readonly [number, number, number, number];
    if (first === 0 && second === 0 && third === MAPPED)
      return `${last >>> 24}.${(last >>> 16) & 255}.${(last >>> 8) & 255}.${last & 255}`;
    const groups = [...this.words].flatMap((word) => [word >>> 16, word & 0xffff]);
    return normalizeAddress(groups.map((group) => group.toString(16)).join(':'));
  }
}
