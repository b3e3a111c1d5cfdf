import { EdgeProxyError } from '../errors.ts';
import { type Cidr, parseAddress, parseCidr } from './address.ts';

/** Networks with a value each; the most specific network that holds an address answers for it. */
export interface CidrTable {
  /** Number of networks. */
  readonly size: number;
  /** The value of the longest matching prefix; `undefined` when none matches or the text is no address. */
  lookup(address: string): string | undefined;
}

/** All networks of one prefix length, by the bits of the prefix. */
interface Level<Bits> {
  readonly prefixLength: number;
  readonly values: Map<Bits, string>;
}

// `>>>` takes its distance modulo 32, so a prefix of no bits has to be told apart.
const prefixOf4 = (value: number, length: number) => (length === 0 ? 0 : value >>> (32 - length));
const prefixOf6 = (value: bigint, length: number) => value >> BigInt(128 - length);

function levelFor<Bits>(levels: Level<Bits>[], prefixLength: number): Map<Bits, string> {
  const found = levels.find((level) => level.prefixLength === prefixLength);
  if (found !== undefined) return found.values;
  const values = new Map<Bits, string>();
  levels.push({ prefixLength, values });
  return values;
}

function parseEntry(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new EdgeProxyError('ERR_SETTINGS_INVALID', `the network "${text}" ${parsed.problem}`);
  return parsed;
}

/**
 * Builds the table once; a lookup costs one hash lookup per distinct prefix length of the address's family.
 *
 * IPv4 and IPv6 are apart: a mapped address (`::ffff:192.0.2.1`) matches IPv4 networks only, and `::/0` holds no
 * IPv4 address. Fails with `ERR_SETTINGS_INVALID` on text that is no network, and on one network given twice (in
 * two spellings), since either value could be meant.
 */
export function createCidrTable(entries: Readonly<Record<string, string>>): CidrTable {
  const levels4: Level<number>[] = [];
  const levels6: Level<bigint>[] = [];
  const spellings = new Map<string, string>();
  for (const [text, value] of Object.entries(entries)) {
    const cidr = parseEntry(text);
    const earlier = spellings.get(cidr.network);
    if (earlier !== undefined) {
      const message = `the networks "${earlier}" and "${text}" are the same, ${cidr.network}: remove one`;
      throw new EdgeProxyError('ERR_SETTINGS_INVALID', message);
    }
    spellings.set(cidr.network, text);
    const { prefixLength } = cidr;
    if (cidr.family === 4) levelFor(levels4, prefixLength).set(prefixOf4(cidr.value, prefixLength), value);
    else levelFor(levels6, prefixLength).set(prefixOf6(cidr.value, prefixLength), value);
  }
  levels4.sort((a, b) => b.prefixLength - a.prefixLength);
  levels6.sort((a, b) => b.prefixLength - a.prefixLength);

  return {
    size: spellings.size,
    lookup(address) {
      const parsed = parseAddress(address);
      if (parsed === undefined) return undefined;
      if (parsed.family === 4) {
        for (const { prefixLength, values } of levels4) {
          const value = values.get(prefixOf4(parsed.value, prefixLength));
          if (value !== undefined) return value;
        }
        return undefined;
      }
      for (const { prefixLength, values } of levels6) {
        const value = values.get(prefixOf6(parsed.value, prefixLength));
        if (value !== undefined) return value;
      }
      return undefined;
    },
  };
}
