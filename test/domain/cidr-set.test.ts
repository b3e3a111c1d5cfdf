import { BlockList, isIPv6 } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCidr } from '../../src/domain/address.ts';
import { CidrSet } from '../../src/domain/cidr-set.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';

/** The oracle: a list of `node:net` for each family, since that one mixes them up. */
function holdsByNode(networks: readonly string[], text: string): boolean {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const network of networks) {
    const [base = '', prefixLength] = network.split('/');
    const family = isIPv6(base) ? 'ipv6' : 'ipv4';
    lists[family].addSubnet(base, Number(prefixLength), family);
  }
  const address = text.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  return lists[family].check(address, family);
}

// Few distinct bits, so that networks nest and addresses hit them, and their edges.
const ipv4 = fc
  .tuple(fc.constantFrom(0, 10, 11, 255), fc.constantFrom(0, 255), fc.constantFrom(0, 128, 255), fc.nat(3))
  .map((octets) => octets.join('.'));
const ipv6 = fc
  .array(fc.constantFrom('0', '1', '8000', 'ffff', 'db8'), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.join(':'))
  .filter((text) => !IpAddress.of(text).text.includes('.'));
const address = fc.oneof(
  ipv4,
  ipv6,
  fc.ipV4(),
  ipv4.map((text) => `::ffff:${text}`),
);
const network = fc.tuple(fc.oneof(ipv4, ipv6), fc.nat(128)).map(([base, length]) => {
  const parsed = parseCidr(`${base}/${isIPv6(base) ? length : length % 33}`);
  return parsed.ok ? parsed.network : parsed.problem.split('the network is ')[1]!;
});

describe('CidrSet', () => {
  it('holds what some network of the list holds', () => {
    fc.assert(
      fc.property(
        fc.array(network, { maxLength: 12 }),
        fc.array(address, { minLength: 1, maxLength: 20 }),
        (networks, addresses) => {
          const set = new CidrSet(networks);
          const edges = networks.map((text) => text.split('/')[0]!);
          for (const text of [...addresses, ...edges])
            expect([text, set.contains(IpAddress.of(text).words)]).toEqual([
              text,
              holdsByNode(networks, text),
            ]);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('keeps the families apart, takes bare and mapped addresses, and one network twice', () => {
    const set = new CidrSet(['::/0', '192.0.2.1', '::ffff:10.0.0.0/104', '10.0.0.0/8']);
    const held = (text: string): boolean => set.contains(IpAddress.of(text).words);
    expect(['2001:db8::1', '192.0.2.1', '::ffff:192.0.2.1', '10.1.2.3'].map(held)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['192.0.2.2', '::ffff:192.0.2.0', '11.0.0.0', '9.255.255.255'].map(held)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(new CidrSet([]).contains(IpAddress.of('::').words)).toBe(false);
  });

  it('refuses what is no network and names it', () => {
    expect(() => new CidrSet(['10.0.0.0/8', '10.0.0.1/8'])).toThrow(
      'the network "10.0.0.1/8" has bits set after its prefix: the network is 10.0.0.0/8',
    );
    expect(() => new CidrSet(['edge.example'])).toThrow('the network "edge.example" is not an IPv4 or IPv6');
  });
});
