import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { open } from 'maxmind';
import { describe, expect, it } from 'vitest';
import { countryFileIn, readCountryFile } from '../../../src/adapters/geo/maxmind-file.ts';
import { openCountryFile } from '../../../src/adapters/geo/open-country-file.ts';
import { type MmdbOptions, MmdbUint, countryRecord, writeMmdb } from '../../support/mmdb.ts';
import { temporaryFiles } from '../../support/temporary-files.ts';

const NETWORKS = {
  '203.0.113.0/24': countryRecord('BR'),
  '203.0.113.128/25': countryRecord('AR'),
  '192.0.2.0/24': { traits: { is_anycast: true } },
  '2001:db8::/32': countryRecord('JP'),
  '2001:db8:1::/48': countryRecord('KR'),
};

const files = temporaryFiles();

function withoutType(content: Buffer): Buffer {
  const broken = Buffer.from(content);
  broken[content.indexOf('iso_code') - 1] = 0;
  return broken;
}

describe('the writer of test databases', () => {
  it.each([24, 28, 32] as const)(
    'writes %d-bit records that the maxmind package reads',
    async (recordSize) => {
      const path = await files.write(writeMmdb({ networks: NETWORKS, recordSize, aliasMapped: true }));
      const reader = await open(path);
      expect(reader.metadata).toMatchObject({ recordSize, ipVersion: 6, databaseType: 'Test-Country' });
      expect(reader.getWithPrefixLength('203.0.113.1')).toEqual([
        { country: { geoname_id: 1, iso_code: 'BR', names: { en: 'Land of BR' } } },
        25,
      ]);
      expect(reader.get('::ffff:203.0.113.200')).toMatchObject({ country: { iso_code: 'AR' } });
      expect(reader.get('2001:db8:1::1')).toMatchObject({ country: { iso_code: 'KR' } });
      expect(reader.get('192.0.2.1')).toEqual({ traits: { is_anycast: true } });
      expect(reader.get('8.8.8.8')).toBeNull();
    },
  );
});

describe('a file that cannot be used', () => {
  const good = writeMmdb({ networks: NETWORKS });
  const withMetadata = (metadata: MmdbOptions['metadata'] & object) =>
    writeMmdb({ networks: NETWORKS, metadata });

  it.each([
    ['empty', Buffer.alloc(0), 'not a MaxMind-format database'],
    ['text', Buffer.from('203.0.113.0/24,BR\n'), 'not a MaxMind-format database'],
    ['cut off', good.subarray(0, good.length / 2), 'not a MaxMind-format database'],
    ['compressed', gzipSync(good), 'compressed with gzip'],
    ['only a marker', good.subarray(good.lastIndexOf('MaxMind.com') - 3), 'cut short'],
    ['without its beginning', good.subarray(200), 'it'],
    ['cut in its metadata', good.subarray(0, good.length - 60), ''],
    ['of a later format', withMetadata({ binary_format_major_version: new MmdbUint(16, 3) }), 'version is 3'],
    ['of unknown records', withMetadata({ record_size: new MmdbUint(16, 20) }), 'record size'],
    ['of unknown addresses', withMetadata({ ip_version: new MmdbUint(16, 5) }), 'IP version is 5'],
    ['without nodes', withMetadata({ node_count: new MmdbUint(32, 0) }), 'cut short'],
    ['with nodes that are not there', withMetadata({ node_count: new MmdbUint(32, 1e9) }), ''],
    ['with metadata of wrong types', withMetadata({ node_count: 'many' }), 'cut short'],
    [
      'without countries',
      writeMmdb({ networks: { '10.0.0.0/8': { asn: 'AS1' } }, databaseType: 'Test-ASN' }),
      '"Test-ASN" and holds no country.iso_code',
    ],
    ['with broken data', withoutType(good), 'Unknown type'],
  ])('stops the start when it is %s', async (_, content, reason) => {
    const path = await files.write(content);
    await expect(openCountryFile(path)).rejects.toMatchObject({
      name: 'EdgeProxyError',
      code: 'ERR_GEOIP',
      exitCode: 1,
      message: expect.stringMatching(
        new RegExp(`^geoip\\.path = "${path}": .*${reason}.* Give the path of a readable`),
      ),
      cause: expect.any(Error),
    });
  });

  it('stops the start when a record points outside of the data', async () => {
    const content = writeMmdb({
      networks: { '128.0.0.0/1': countryRecord('BR') },
      ipVersion: 4,
      recordSize: 32,
    });
    content.writeUInt32BE(1_000_000, 4);
    const path = await files.write(content);
    await expect(openCountryFile(path)).rejects.toMatchObject({
      code: 'ERR_GEOIP',
      message: expect.stringContaining('node 0 points outside of the data'),
    });
  });

  it('stops the start when the tree is deeper than an address is long', async () => {
    const metadata = { ip_version: new MmdbUint(16, 4) };
    const path = await files.write(
      writeMmdb({ networks: { '2001:db8::/48': countryRecord('BR') }, metadata }),
    );
    await expect(openCountryFile(path)).rejects.toMatchObject({
      code: 'ERR_GEOIP',
      message: expect.stringContaining('deeper than an address is long'),
    });
  });

  it.each([
    ['missing', () => join(files.folder(), 'missing.mmdb'), 'ENOENT'],
    ['a folder', () => files.folder(), 'no regular file'],
    ['a device that never ends', () => '/dev/zero', 'no regular file'],
  ])('stops the start when it is %s', async (_, pathOf, reason) => {
    const path = pathOf();
    await expect(openCountryFile(path)).rejects.toMatchObject({
      code: 'ERR_GEOIP',
      message: expect.stringMatching(new RegExp(`geoip\\.path = "${path}": .*${reason}`)),
    });
  });

  it('never makes a lookup throw: damage is found at the start or does no harm', async () => {
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    const addresses = fc.array(fc.oneof(fc.ipV4(), fc.ipV6()));
    await fc.assert(
      fc.asyncProperty(damage, addresses, async (changes, clients) => {
        const content = Buffer.from(good);
        for (const [at, byte] of changes) content[at] = byte;
        const path = await files.write(content);
        const file = await readCountryFile(path).then(countryFileIn, () => undefined);
        for (const client of [...clients, '203.0.113.1', '198.51.100.1', '192.0.2.1']) {
          expect(() => file?.countryOf(client)).not.toThrow();
        }
      }),
      { numRuns: 300 },
    );
  });

  it('ends every lookup in a tree that runs in a circle', async () => {
    const content = writeMmdb({
      networks: { '128.0.0.0/1': countryRecord('BR') },
      ipVersion: 4,
      recordSize: 32,
    });
    content.writeUInt32BE(0, 0);
    const file = countryFileIn(await openCountryFile(await files.write(content)));
    expect(file.countryOf('1.0.0.0')).toBe('BR');
    expect(file.countryOf('0.0.0.0')).toBeUndefined();
  });
});
