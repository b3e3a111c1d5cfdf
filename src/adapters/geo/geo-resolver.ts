import { LRUCache } from 'lru-cache';
import { normalizeAddress, parseAddress } from '../../domain/address.ts';
import { createCidrTable } from '../../domain/cidr-table.ts';
import { type ClientGeo, type CountryRegions, type GeoSource, regionOf } from '../../domain/geo.ts';
import type { GeoResolver } from '../../domain/ports.ts';
import { EdgeProxyError } from '../../errors.ts';
import { countryFileIn } from './maxmind-file.ts';
import { openCountryFile } from './open-country-file.ts';

export interface GeoResolverOptions {
  /** Network to country (ISO 3166-1 alpha-2): what the operator knows better than any file. */
  readonly cidrs: Readonly<Record<string, string>>;
  readonly regions: CountryRegions;
  /** A MaxMind-format file, or `undefined` for none. */
  readonly geoipPath: string | undefined;
}

const CACHED_ADDRESSES = 65_536;
const NOWHERE = Symbol('nowhere');

function checkCountries(cidrs: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const checked = Object.entries(cidrs).map(([network, country]) => {
    if (/^[A-Za-z]{2}$/.test(country)) return [network, country.toUpperCase()] as const;
    const message = `the network "${network}" has the country "${country}": expected two letters (ISO 3166-1)`;
    throw new EdgeProxyError('ERR_SETTINGS_INVALID', message);
  });
  return Object.fromEntries(checked);
}

/**
 * Reads and verifies what tells where clients are. Fails with `ERR_GEOIP` on a file that cannot be used, with
 * `ERR_SETTINGS_INVALID` on a table that is not one of networks and countries.
 */
export async function openGeoSource({ cidrs, regions, geoipPath }: GeoResolverOptions): Promise<GeoSource> {
  const checked = checkCountries(cidrs);
  createCidrTable(checked);
  const database = geoipPath === undefined ? undefined : await openCountryFile(geoipPath);
  return { cidrs: checked, regions, database };
}

/**
 * Tells where a client is: from the table of networks, else from the MaxMind-format file, else nowhere.
 *
 * `locate` is for the hot path: it answers at once, remembers the last 65,536 addresses, and hands out one frozen
 * value per country.
 */
export function geoResolverOf({ cidrs, regions, database }: GeoSource): GeoResolver {
  const table = createCidrTable(cidrs);
  const file = database && countryFileIn(database);
  if (table.size === 0 && file === undefined) return { isEmpty: true, locate: () => undefined };

  const places = new Map<string, ClientGeo>();
  const cache = new LRUCache<string, ClientGeo | typeof NOWHERE>({ max: CACHED_ADDRESSES });

  const placeOf = (country: string): ClientGeo => {
    const known = places.get(country);
    if (known !== undefined) return known;
    const place = Object.freeze({ country, region: regionOf(country, regions) });
    places.set(country, place);
    return place;
  };

  const resolve = (text: string): ClientGeo | undefined => {
    const address = normalizeAddress(text);
    if (parseAddress(address) === undefined) return undefined;
    const country = table.lookup(address) ?? file?.countryOf(address);
    return country === undefined ? undefined : placeOf(country);
  };

  return {
    isEmpty: false,
    locate(address) {
      const cached = cache.get(address);
      if (cached !== undefined) return cached === NOWHERE ? undefined : cached;
      const place = resolve(address);
      cache.set(address, place ?? NOWHERE);
      return place;
    },
  };
}
