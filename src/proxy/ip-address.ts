import { addressText, MAPPED_WORD, writeAddressWords } from '../domain/address-words.ts';

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
    const address = new IpAddress();
    if (!writeAddressWords(text, address.words)) throw new TypeError(`"${text}" is not an address`);
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
    this.set(0, 0, MAPPED_WORD, value);
  }

  /** Canonical text; a mapped address as the IPv4 address that it stands for. */
  get text(): string {
    return (this.#text ??= addressText(this.words));
  }

  toString(): string {
    return this.text;
  }
}
