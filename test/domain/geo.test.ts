import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_COUNTRY_REGIONS, geoTierOf, regionOf } from '../../src/domain/geo.ts';

const country = fc.constantFrom('BR', 'AR', 'US', 'DE');
const region = fc.constantFrom('sa', 'us', 'eu');
const place = fc.record({ country, region });
const client = fc.option(fc.record({ country, region: fc.option(region, { nil: undefined }) }), {
  nil: undefined,
});

describe('regionOf', () => {
  it.each([
    ['BR', 'sa'],
    ['MX', 'us'],
    ['UA', 'eu'],
    ['IN', 'ap'],
    ['ZA', 'us'],
  ])('puts %s into %s by default', (code, expected) => {
    expect(regionOf(code, DEFAULT_COUNTRY_REGIONS)).toBe(expected);
  });

  it('prefers the entry of the country to the entry of all others', () => {
    expect(regionOf('BR', { BR: 'south', '*': 'rest' })).toBe('south');
    expect(regionOf('AR', { BR: 'south', '*': 'rest' })).toBe('rest');
  });

  it('knows no region for an unlisted country when nothing stands for all others', () => {
    expect(regionOf('AR', { BR: 'south' })).toBeUndefined();
  });

  it('takes nothing from the prototype of the table', () => {
    for (const name of ['constructor', 'toString', '__proto__']) {
      expect(regionOf(name, { BR: 'south' })).toBeUndefined();
    }
  });
});

describe('geoTierOf', () => {
  it.each([
    ['the country of the client', { country: 'BR', region: 'sa' }, 0],
    ['the country of the client in another region', { country: 'BR', region: 'us' }, 0],
    ['the region of the client', { country: 'AR', region: 'sa' }, 1],
    ["the daemon's own region", { country: 'DE', region: 'eu' }, 2],
    ['anywhere else', { country: 'US', region: 'us' }, 3],
  ])('ranks a backend in %s', (_, backend, tier) => {
    expect(geoTierOf(backend, { country: 'BR', region: 'sa' }, 'eu')).toBe(tier);
  });

  it("knows only the daemon's own region for a client from nowhere", () => {
    expect(geoTierOf({ country: 'BR', region: 'sa' }, undefined, 'sa')).toBe(2);
    expect(geoTierOf({ country: 'BR', region: 'sa' }, undefined, 'eu')).toBe(3);
  });

  it('does not take an unknown region of the client for a match', () => {
    expect(geoTierOf({ country: 'AR', region: 'sa' }, { country: 'BR', region: undefined }, 'eu')).toBe(3);
  });

  it('gives the lowest tier whose condition holds', () => {
    fc.assert(
      fc.property(place, client, region, (backend, from, ownRegion) => {
        const conditions = [
          from?.country === backend.country,
          from?.region === backend.region,
          ownRegion === backend.region,
          true,
        ];
        expect(geoTierOf(backend, from, ownRegion)).toBe(conditions.indexOf(true));
      }),
    );
  });
});
