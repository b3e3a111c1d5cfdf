import { BlockList, isIPv6 } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCidr } from '../../src/domain/address.ts';
import { createCidrTable } from '../../src/domain/cidr-table.ts';

function holds(network: string, address: string): boolean {
  const [base = '', prefixLength] = network.split('/');
  const family = isIPv6(base) ? 'ipv6' : 'ipv4';
  if ((family === 'ipv6') !== isIPv6(address)) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(prefixLength), family);
  return list.check(address, family);
}

/** The oracle: tries every network, with the idea of matching that node:net has, and keeps the longest. */
function lookupLinear(table: Readonly<Record<string, string>>, text: string): string | undefined {
  const address = text.replace(/^::ffff:(?=\d+\.)/i, '');
  const matching = Object.keys(table).filter((network) => holds(network, address));
  const [longest] = matching.toSorted((a, b) => Number(b.split('/')[1]) - Number(a.split('/')[1]));
  return longest === undefined ? undefined : table[longest];
}

// Few distinct bits, so that networks nest and addresses hit them.
const ipv4 = fc
  .tuple(fc.constantFrom(10, 11, 192), fc.nat(1), fc.constantFrom(0, 128), fc.nat(3))
  .map((o) => o.join('.'));
const ipv6 = fc
  .tuple(
    fc.constantFrom('2001', '2002', '0'),
    fc.constantFrom('db8', '0', '8000'),
    fc.constantFrom('0', '1', 'ffff'),
  )
  .map(([a, b, c]) => `${a}:${b}:${c}::${c}`);
const address = fc.oneof(
  ipv4,
  ipv6,
  fc.ipV4(),
  fc.ipV6(),
  ipv4.map((text) => `::ffff:${text}`),
);
const network = fc.tuple(fc.oneof(ipv4, ipv6, fc.ipV4()), fc.nat(128)).map(([base, length]) => {
  const prefixLength = isIPv6(base) ? length : length % 33;
  const parsed = parseCidr(`${base}/${prefixLength}`);
  return parsed.ok ? parsed.network : parsed.problem.split('the network is ')[1]!;
});
const entries = fc.dictionary(network, fc.constantFrom('BR', 'US', 'DE', 'JP'), { maxKeys: 20 });

describe('createCidrTable', () => {
  it('answers as a linear search for the longest matching prefix does', () => {
    fc.assert(
      fc.property(entries, fc.array(address, { minLength: 1, maxLength: 20 }), (networks, addresses) => {
        const table = createCidrTable(networks);
        const found = addresses.map((text) => table.lookup(text));
        expect(found).toEqual(addresses.map((text) => lookupLinear(networks, text)));
      }),
      { numRuns: 500 },
    );
  });

  it('prefers the most specific network, whatever the order of the entries', () => {
    const nested = { '10.0.0.0/8': 'BR', '10.1.0.0/16': 'AR', '10.1.2.3': 'CL', '0.0.0.0/0': 'US' };
    const reversed = Object.fromEntries(Object.entries(nested).toReversed());
    for (const table of [createCidrTable(nested), createCidrTable(reversed)]) {
      expect(table.lookup('10.1.2.3')).toBe('CL');
      expect(table.lookup('10.1.2.4')).toBe('AR');
      expect(table.lookup('10.2.0.0')).toBe('BR');
      expect(table.lookup('11.0.0.0')).toBe('US');
      expect(table.lookup('255.255.255.255')).toBe('US');
    }
  });

  it('matches mapped addresses with IPv4 networks, and IPv4 addresses with mapped networks', () => {
    const table = createCidrTable({ '10.0.0.0/8': 'BR', '::ffff:11.0.0.0/104': 'AR', '::/0': 'US' });
    expect(table.lookup('::ffff:10.1.1.1')).toBe('BR');
    expect(table.lookup('11.1.1.1')).toBe('AR');
    expect(table.lookup('12.1.1.1')).toBeUndefined();
    expect(table.lookup('2001:db8::1')).toBe('US');
  });

  it('finds nothing for text that is no address', () => {
    const table = createCidrTable({ '0.0.0.0/0': 'BR', '::/0': 'US' });
    for (const text of ['', 'localhost', '1.2.3', '10.0.0.0/8']) expect(table.lookup(text)).toBeUndefined();
  });

  it('finds nothing in an empty table', () => {
    const table = createCidrTable({});
    expect(table.size).toBe(0);
    expect(table.lookup('10.0.0.1')).toBeUndefined();
  });

  it('refuses a key that is no network and names it', () => {
    expect(() => createCidrTable({ '10.0.0.1/8': 'BR' })).toThrow(
      expect.objectContaining({
        code: 'ERR_SETTINGS_INVALID',
        message: 'the network "10.0.0.1/8" has bits set after its prefix: the network is 10.0.0.0/8',
      }),
    );
  });

  it('refuses one network in two spellings and names both', () => {
    expect(() => createCidrTable({ '2001:db8::/32': 'BR', '2001:DB8:0::/32': 'US' })).toThrow(
      expect.objectContaining({
        code: 'ERR_SETTINGS_INVALID',
        message: expect.stringContaining('"2001:db8::/32" and "2001:DB8:0::/32" are the same'),
      }),
    );
  });
});
