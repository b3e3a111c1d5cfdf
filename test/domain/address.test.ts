import { SocketAddress, isIP, isIPv6 } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalizeAddress, parseAddress, parseCidr } from '../../src/domain/address.ts';

const almostAddress = fc.string({
  unit: fc.constantFrom(...'0123456789abcdefABFx:.'.split(''), '::', 'ffff', '::ffff:', '1.2.3.4', '255'),
  maxLength: 14,
});

describe('normalizeAddress', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1%eth0', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8::0001', '2001:db8::1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['fe80::1%eth0.100', 'fe80::1'],
    ['::', '::'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ])('writes %s as %s', (text, normal) => {
    expect(normalizeAddress(text)).toBe(normal);
  });

  it.each(['', 'localhost', '1.2.3', '::ffff:1.2.3.400', '::ffff:0x10.1.1.1', '1::2::3', ':', 'a:b'])(
    'returns %j as it is, because it is no address',
    (text) => {
      expect(normalizeAddress(text)).toBe(text);
    },
  );

  it('agrees with the operating system on the text of every IPv6 address', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const { address } = new SocketAddress({ address: text, family: 'ipv6' });
        // The system writes some addresses with a dotted tail; those are held by the examples above.
        fc.pre(!address.includes('.'));
        expect(normalizeAddress(text)).toBe(address);
        expect(normalizeAddress(text.toUpperCase())).toBe(address);
      }),
    );
  });

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), almostAddress), (text) => {
        const normal = normalizeAddress(text);
        expect(normalizeAddress(normal)).toBe(normal);
      }),
    );
  });
});

describe('parseAddress', () => {
  it.each([
    ['0.0.0.0', 4, 0],
    ['255.255.255.255', 4, 4_294_967_295],
    ['192.0.2.1', 4, 3_221_225_985],
    ['::ffff:192.0.2.1', 4, 3_221_225_985],
    ['::', 6, 0n],
    ['::1.2.3.4', 6, 0x102_0304n],
    ['fe80::1%eth0', 6, (0xfe80n << 112n) | 1n],
  ])('reads %s', (text, family, value) => {
    expect(parseAddress(text)).toEqual({ family, value });
  });

  it('takes exactly what node:net takes for an address', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), almostAddress, fc.string()), (text) => {
        fc.pre(!text.includes('%'));
        expect(parseAddress(text) !== undefined).toBe(isIP(text) !== 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('reads every text of one address as one value', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        expect(parseAddress(normalizeAddress(text))).toEqual(parseAddress(text));
      }),
    );
  });
});

describe('parseCidr', () => {
  it.each([
    ['203.0.113.0/24', '203.0.113.0/24'],
    ['203.0.113.7', '203.0.113.7/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['::/0', '::/0'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:10.1.2.3', '10.1.2.3/32'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
  ])('reads %s as %s', (text, network) => {
    expect(parseCidr(text)).toMatchObject({ ok: true, network });
  });

  it.each([
    ['10.1.2.3/8', 'the network is 10.0.0.0/8'],
    ['1.2.3.4/0', 'the network is 0.0.0.0/0'],
    ['2001:db8::1/32', 'the network is 2001:db8::/32'],
    ['::ffff:10.1.2.3/104', 'the network is 10.0.0.0/8'],
    ['::ffff:10.0.0.0/64', 'the network is ::/64'],
    ['10.0.0.0/33', 'from 0 to 32'],
    ['10.0.0.0/', 'from 0 to 32'],
    ['10.0.0.0/08', 'from 0 to 32'],
    ['10.0.0.0/-1', 'from 0 to 32'],
    ['10.0.0.0/8/8', 'from 0 to 32'],
    ['2001:db8::/129', 'from 0 to 128'],
    ['10.0.0/8', 'expected one such as 203.0.113.0/24'],
    ['010.0.0.0/8', 'expected one such as 203.0.113.0/24'],
    [' 10.0.0.0/8', 'expected one such as 203.0.113.0/24'],
    ['fe80::%eth0/10', 'expected one such as 203.0.113.0/24'],
    ['localhost', 'expected one such as 203.0.113.0/24'],
    ['', 'expected one such as 203.0.113.0/24'],
  ])('refuses %j and says: %s', (text, problem) => {
    expect(parseCidr(text)).toEqual({ ok: false, problem: expect.stringContaining(problem) });
  });

  it('accepts the network that it suggests', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (address, length) => {
        const prefixLength = isIPv6(address) ? length : length % 33;
        const parsed = parseCidr(`${address}/${prefixLength}`);
        const network = parsed.ok ? parsed.network : parsed.problem.split('the network is ')[1]!;
        expect(parseCidr(network)).toMatchObject({ ok: true, network });
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(almostAddress, fc.string()), fc.string({ maxLength: 4 }), (address, tail) => {
        expect(parseCidr(`${address}/${tail}`)).toHaveProperty('ok');
        expect(parseCidr(address)).toHaveProperty('ok');
      }),
    );
  });
});
