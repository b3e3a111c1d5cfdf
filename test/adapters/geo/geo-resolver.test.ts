import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { geoResolverOf, openGeoSource } from '../../../src/adapters/geo/geo-resolver.ts';
import { parseCidr } from '../../../src/domain/address.ts';
import { DEFAULT_COUNTRY_REGIONS } from '../../../src/domain/geo.ts';
import type { GeoResolver } from '../../../src/domain/ports.ts';
import { type MmdbOptions, countryRecord, writeMmdb } from '../../support/mmdb.ts';
import { temporaryFiles } from '../../support/temporary-files.ts';

const NETWORKS = {
  '203.0.113.0/24': countryRecord('BR'),
  '203.0.113.128/25': countryRecord('AR'),
  '198.51.100.0/24': countryRecord('DE', 'registered_country'),
  '192.0.2.0/24': { traits: { is_anycast: true } },
  '192.0.3.0/24': { country: { iso_code: 'zz' }, registered_country: { iso_code: 'ZA' } },
};
const NETWORKS_6 = {
  ...NETWORKS,
  '2001:db8::/32': countryRecord('JP'),
  '2001:db8:1::/48': countryRecord('KR'),
};

const files = temporaryFiles();

async function resolverOf(options: {
  readonly cidrs?: Readonly<Record<string, string>>;
  readonly geoipPath?: string;
}): Promise<GeoResolver> {
  const { cidrs = {}, geoipPath } = options;
  return geoResolverOf(await openGeoSource({ cidrs, regions: DEFAULT_COUNTRY_REGIONS, geoipPath }));
}

async function resolverWith(options: MmdbOptions): Promise<GeoResolver> {
  return resolverOf({ geoipPath: await files.write(writeMmdb(options)) });
}

describe('a resolver with a file', () => {
  it.each([
    [24, 4],
    [28, 4],
    [32, 4],
    [24, 6],
    [28, 6],
    [32, 6],
  ] as const)(
    'finds country and region in a file of %d-bit records for IPv%d',
    async (recordSize, ipVersion) => {
      const networks = ipVersion === 4 ? NETWORKS : NETWORKS_6;
      const resolver = await resolverWith({ networks, recordSize, ipVersion, aliasMapped: ipVersion === 6 });
      expect(resolver.locate('203.0.113.1')).toEqual({ country: 'BR', region: 'sa' });
      expect(resolver.locate('203.0.113.200')).toEqual({ country: 'AR', region: 'sa' });
      expect(resolver.locate('8.8.8.8')).toBeUndefined();
      expect(resolver.locate('2001:db8::1')).toEqual(
        ipVersion === 4 ? undefined : { country: 'JP', region: 'ap' },
      );
      expect(resolver.locate('2001:db8:1::1')).toEqual(
        ipVersion === 4 ? undefined : { country: 'KR', region: 'ap' },
      );
    },
  );

  it('falls back to the country of registration', async () => {
    const resolver = await resolverWith({ networks: NETWORKS });
    expect(resolver.locate('198.51.100.7')).toEqual({ country: 'DE', region: 'eu' });
    expect(resolver.locate('192.0.3.7')).toEqual({ country: 'ZA', region: 'us' });
  });

  it('finds nothing where the file has data without a country', async () => {
    const resolver = await resolverWith({ networks: NETWORKS });
    expect(resolver.locate('192.0.2.1')).toBeUndefined();
  });

  it('does not look an IPv6 address up in an IPv4 file', async () => {
    // 2001:db8:: begins with the bits of 32.1.13.184.
    const resolver = await resolverWith({ networks: { '32.0.0.0/8': countryRecord('BR') }, ipVersion: 4 });
    expect(resolver.locate('32.1.13.184')).toEqual({ country: 'BR', region: 'sa' });
    expect(resolver.locate('2001:db8::1')).toBeUndefined();
  });

  it('answers as a table of the same networks does', async () => {
    const network = fc
      .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 128 }))
      .map(([base, length]) => {
        const parsed = parseCidr(`${base}/${base.includes(':') ? length : 1 + (length % 32)}`);
        return parsed.ok ? parsed.network : parsed.problem.split('the network is ')[1]!;
      });
    // ::/96 holds the IPv4 addresses in such a file, so IPv6 networks around or in it mean something else there.
    const apart = network.filter((text) => !text.includes(':') || /^[23]/.test(text));
    const table = fc.dictionary(apart, fc.constantFrom('BR', 'US', 'DE'), { minKeys: 1, maxKeys: 12 });
    const recordSize = fc.constantFrom(24, 28, 32);
    const addresses = fc.array(fc.oneof(fc.ipV4(), fc.ipV6()).filter((text) => /^([23]|\d+\.)/.test(text)));
    await fc.assert(
      fc.asyncProperty(table, recordSize, addresses, async (cidrs, size, others) => {
        const networks = Object.fromEntries(
          Object.entries(cidrs).map(([text, code]) => [text, countryRecord(code)]),
        );
        const byFile = await resolverWith({ networks, recordSize: size });
        const byTable = await resolverOf({ cidrs });
        const bases = Object.keys(cidrs).map((text) => text.split('/')[0]!);
        for (const address of [...bases, ...others])
          expect(byFile.locate(address)).toEqual(byTable.locate(address));
      }),
      { numRuns: 50 },
    );
  });
});

describe('a resolver with a table of networks', () => {
  it('prefers the table to the file', async () => {
    const geoipPath = await files.write(writeMmdb({ networks: NETWORKS }));
    const resolver = await resolverOf({ cidrs: { '203.0.113.0/28': 'FR' }, geoipPath });
    expect(resolver.locate('203.0.113.1')).toEqual({ country: 'FR', region: 'eu' });
    expect(resolver.locate('203.0.113.16')).toEqual({ country: 'BR', region: 'sa' });
  });

  it('uses the regions that it is given', async () => {
    const cidrs = { '10.0.0.0/8': 'BR', '11.0.0.0/8': 'AR' };
    const resolver = geoResolverOf({ cidrs, regions: { BR: 'south' }, database: undefined });
    expect(resolver.locate('10.0.0.1')).toEqual({ country: 'BR', region: 'south' });
    expect(resolver.locate('11.0.0.1')).toEqual({ country: 'AR', region: undefined });
  });

  it('finds a mapped address as the IPv4 address that it is', async () => {
    const geoipPath = await files.write(writeMmdb({ networks: NETWORKS }));
    const resolver = await resolverOf({ cidrs: { '10.0.0.0/8': 'us' }, geoipPath });
    expect(resolver.locate('::ffff:10.0.0.1')).toEqual({ country: 'US', region: 'us' });
    expect(resolver.locate('::ffff:203.0.113.1')).toEqual({ country: 'BR', region: 'sa' });
  });

  it('finds nothing for text that is no address', async () => {
    const geoipPath = await files.write(writeMmdb({ networks: { '0.0.0.0/1': countryRecord('BR') } }));
    const resolver = await resolverOf({ cidrs: { '0.0.0.0/0': 'BR' }, geoipPath });
    for (const text of ['', 'localhost', '1.2.3']) expect(resolver.locate(text)).toBeUndefined();
  });

  it('locates nobody without a table and a file', async () => {
    const resolver = await resolverOf({});
    expect(resolver.locate('10.0.0.1')).toBeUndefined();
  });

  it('hands out one frozen value per country', async () => {
    const resolver = await resolverOf({ cidrs: { '10.0.0.0/8': 'BR' } });
    const place = resolver.locate('10.0.0.1');
    expect(Object.isFrozen(place)).toBe(true);
    expect(resolver.locate('10.0.0.1')).toBe(place);
    expect(resolver.locate('10.0.0.2')).toBe(place);
  });

  it('stays right when it has seen more addresses than it remembers', async () => {
    const resolver = await resolverOf({ cidrs: { '10.0.0.0/15': 'BR' } });
    for (let address = 0; address < 70_000; address += 1) {
      resolver.locate(`10.${address >> 16}.${(address >> 8) & 255}.${address & 255}`);
    }
    expect(resolver.locate('10.0.0.0')).toEqual({ country: 'BR', region: 'sa' });
    expect(resolver.locate('10.2.0.0')).toBeUndefined();
  });

  it.each([
    [{ '10.0.0.1/8': 'BR' }, 'the network is 10.0.0.0/8'],
    [{ '10.0.0.0/8': 'Brazil' }, 'the network "10.0.0.0/8" has the country "Brazil": expected two letters'],
  ])('refuses the table %j', async (cidrs, message) => {
    await expect(resolverOf({ cidrs })).rejects.toMatchObject({
      code: 'ERR_SETTINGS_INVALID',
      message: expect.stringContaining(message),
    });
  });
});
