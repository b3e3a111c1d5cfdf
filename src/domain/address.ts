import ipaddr from 'ipaddr.js';

/** An address as a number; an IPv4-mapped IPv6 address counts as the IPv4 address it stands for. */
export type AddressValue =
  | { readonly family: 4; readonly value: number }
  | { readonly family: 6; readonly value: bigint };

/** A network: `network` is its canonical text, `value` its first address, `prefixLength` 0 to 32 or 0 to 128. */
export type Cidr = AddressValue & { readonly network: string; readonly prefixLength: number };

/** `problem` continues a sentence that starts with the text that was given. */
export type ParsedCidr = ({ readonly ok: true } & Cidr) | { readonly ok: false; readonly problem: string };

const MAPPED_START = '::ffff:';
const MAPPED_BITS = 0xffffn;
const DOT = 46;
const ZERO = 48;

/** The 32-bit number of dotted decimal text, or `undefined`: four octets, no leading zeros, nothing around them. */
function ipv4Value(text: string): number | undefined {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === DOT) {
      if (octet < 0 || dots === 3) return undefined;
      value = value * 256 + octet;
      octet = -1;
      dots += 1;
    } else {
      const digit = code - ZERO;
      // A leading zero means octal to some readers and decimal to others.
      if (digit < 0 || digit > 9 || octet === 0) return undefined;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return undefined;
    }
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : undefined;
}

/** The eight groups of IPv6 text without a zone, or `undefined`. */
function ipv6Groups(text: string): readonly number[] | undefined {
  const tailAt = text.lastIndexOf(':') + 1;
  if (tailAt === 0 || text.includes('%')) return undefined;
  let hexText = text;
  if (text.includes('.')) {
    // ipaddr.js reads `::1.2.3.4` as `::ffff:1.2.3.4` and takes octal and hexadecimal octets, so the dotted tail
    // is turned into two groups before it sees the text.
    const tail = ipv4Value(text.slice(tailAt));
    if (tail === undefined) return undefined;
    hexText = `${text.slice(0, tailAt)}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`;
  }
  try {
    return ipaddr.IPv6.parse(hexText).parts;
  } catch {
    // The only failure is that the text is no address; asking `isValid` first would parse it twice.
    return undefined;
  }
}

function isMapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.every((group, index) => index >= 5 || group === 0);
}

function groupsToValue(groups: readonly number[]): bigint {
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

function ipv4Text(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

function ipv6Text(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number((value >> BigInt(112 - 16 * index)) & 0xffffn),
  );
  return new ipaddr.IPv6(groups).toString();
}

function withoutZone(text: string): string {
  const zoneAt = text.indexOf('%');
  return zoneAt < 0 ? text : text.slice(0, zoneAt);
}

/**
 * One text for one address: mapped IPv4 (`::ffff:192.0.2.1`) becomes IPv4, IPv6 becomes lower case and compressed
 * (RFC 5952), a zone (`%eth0`) is dropped. Text that is no IPv6 address, IPv4 included, comes back as it is.
 */
export function normalizeAddress(text: string): string {
  if (!text.includes(':')) return text;
  if (text.startsWith(MAPPED_START)) {
    const tail = text.slice(MAPPED_START.length);
    if (ipv4Value(tail) !== undefined) return tail;
  }
  const groups = ipv6Groups(withoutZone(text));
  if (groups === undefined) return text;
  if (isMapped(groups)) return ipv4Text(groups[6]! * 65_536 + groups[7]!);
  return new ipaddr.IPv6([...groups]).toString();
}

/** The address as a number, or `undefined` for text that is no address; a zone is dropped. */
export function parseAddress(text: string): AddressValue | undefined {
  const value = ipv4Value(text);
  if (value !== undefined) return { family: 4, value };
  const groups = ipv6Groups(withoutZone(text));
  if (groups === undefined) return undefined;
  if (isMapped(groups)) return { family: 4, value: groups[6]! * 65_536 + groups[7]! };
  return { family: 6, value: groupsToValue(groups) };
}

function refuse(problem: string): ParsedCidr {
  return { ok: false, problem };
}

function parsePrefixLength(text: string | undefined, bits: 32 | 128): number | undefined {
  if (text === undefined) return bits;
  return /^(0|[1-9]\d{0,2})$/.test(text) && Number(text) <= bits ? Number(text) : undefined;
}

function ipv4Cidr(value: number, prefixLength: number): ParsedCidr {
  const hostBits = 2 ** (32 - prefixLength);
  const base = value - (value % hostBits);
  const network = `${ipv4Text(base)}/${prefixLength}`;
  if (base !== value) return refuse(`has bits set after its prefix: the network is ${network}`);
  return { ok: true, family: 4, value, network, prefixLength };
}

function ipv6Cidr(value: bigint, prefixLength: number): ParsedCidr {
  const hostBits = BigInt(128 - prefixLength);
  const base = (value >> hostBits) << hostBits;
  const network = `${ipv6Text(base)}/${prefixLength}`;
  if (base !== value) return refuse(`has bits set after its prefix: the network is ${network}`);
  return { ok: true, family: 6, value, network, prefixLength };
}

/**
 * Reads a network such as `203.0.113.0/24`, `2001:db8::/32`, or a bare address (a network of that one address).
 *
 * A mapped network (`::ffff:10.0.0.0/104`) is the IPv4 network that it stands for. Bits after the prefix are a
 * problem that names the network which was probably meant.
 */
export function parseCidr(text: string): ParsedCidr {
  const slashAt = text.indexOf('/');
  const addressText = slashAt < 0 ? text : text.slice(0, slashAt);
  const prefixText = slashAt < 0 ? undefined : text.slice(slashAt + 1);
  const value = ipv4Value(addressText);
  const groups = value === undefined ? ipv6Groups(addressText) : undefined;
  if (value === undefined && groups === undefined) {
    return refuse('is not an IPv4 or IPv6 network: expected one such as 203.0.113.0/24 or 2001:db8::/32');
  }
  const bits = groups === undefined ? 32 : 128;
  const prefixLength = parsePrefixLength(prefixText, bits);
  if (prefixLength === undefined)
    return refuse(`has a bad prefix length: expected a whole number from 0 to ${bits}`);
  if (value !== undefined) return ipv4Cidr(value, prefixLength);
  const wide = groupsToValue(groups!);
  if (wide >> 32n === MAPPED_BITS && prefixLength >= 96) {
    return ipv4Cidr(Number(wide & 0xffff_ffffn), prefixLength - 96);
  }
  return ipv6Cidr(wide, prefixLength);
}
