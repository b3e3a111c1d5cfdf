import { readFile } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { type CountryResponse, Reader } from 'maxmind';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import { verifyMetadataMarker, verifyTree } from './mmdb-verify.ts';

/** A country or city database in the MaxMind format, wholly in memory. */
export interface CountryFile {
  /**
   * ISO 3166-1 alpha-2, upper case; `undefined` when the file does not know the address.
   *
   * @param address a valid IPv4 or IPv6 address without a zone; never throws for one
   */
  countryOf(address: string): string | undefined;
}

const DECODED_RECORDS_KEPT = 4096;
const ISO_CODE = /^[A-Z]{2}$/;

function isoCodeOf(place: unknown): string | undefined {
  const code: unknown =
    typeof place === 'object' && place !== null ? Reflect.get(place, 'iso_code') : undefined;
  return typeof code === 'string' && ISO_CODE.test(code) ? code : undefined;
}

// Other vendors write the same format with other records, so the fields are looked at and not believed.
function countryIn(response: CountryResponse | null): string | undefined {
  return isoCodeOf(response?.country) ?? isoCodeOf(response?.registered_country);
}

function openDatabase(database: Buffer): CountryFile {
  verifyMetadataMarker(database);
  const cache = new LRUCache<string | number, object>({ max: DECODED_RECORDS_KEPT });
  const reader = new Reader<CountryResponse>(database, { cache });
  let hasCountries = false;
  verifyTree(database, reader.metadata, (address) => {
    if (countryIn(reader.get(address)) !== undefined) hasCountries = true;
  });
  if (!hasCountries) {
    throw new Error(`it is of type "${reader.metadata.databaseType}" and holds no country.iso_code`);
  }
  const ipv4Only = reader.metadata.ipVersion === 4;
  return {
    countryOf(address) {
      // The reader would walk an IPv4 tree with the first bits of an IPv6 address.
      if (ipv4Only && address.includes(':')) return undefined;
      return countryIn(reader.get(address));
    },
  };
}

/**
 * Reads a MaxMind-format file and verifies all of it, so that a broken file stops the start and not a connection.
 *
 * `country.iso_code` counts, or else `registered_country.iso_code`. A country database takes some 0.2 s, a city
 * database a second or two. Fails with `ERR_GEOIP`.
 */
export async function openCountryFile(path: string): Promise<CountryFile> {
  try {
    return openDatabase(await readFile(path));
  } catch (error) {
    const message =
      `EDGEPROXY_GEOIP_PATH = "${path}": the GeoIP database cannot be used: ${messageOf(error)}. ` +
      'Give the path of a readable country or city database in the MaxMind format (.mmdb), or unset it.';
    throw new EdgeProxyError('ERR_GEOIP', message, { cause: error });
  }
}
