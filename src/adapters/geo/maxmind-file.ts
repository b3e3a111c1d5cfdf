import { readFile, stat } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { type CountryResponse, Reader } from 'maxmind';
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

function readerOf(database: Buffer): Reader<CountryResponse> {
  const cache = new LRUCache<string | number, object>({ max: DECODED_RECORDS_KEPT });
  return new Reader<CountryResponse>(database, { cache });
}

function verify(database: Buffer): void {
  verifyMetadataMarker(database);
  const reader = readerOf(database);
  let hasCountries = false;
  verifyTree(database, reader.metadata, (address) => {
    if (countryIn(reader.get(address)) !== undefined) hasCountries = true;
  });
  if (!hasCountries) {
    throw new Error(`it is of type "${reader.metadata.databaseType}" and holds no country.iso_code`);
  }
}

/** What a database says that has been verified. */
export function countryFileIn(database: SharedArrayBuffer): CountryFile {
  const reader = readerOf(Buffer.from(database));
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
 * Reads a MaxMind-format file and verifies all of it, so that a broken file is refused and no connection meets it.
 *
 * `country.iso_code` counts, or else `registered_country.iso_code`. A country database takes some 0.2 s, a city
 * database a second or two. Fails with why it cannot be used.
 */
export async function readCountryFile(path: string): Promise<SharedArrayBuffer> {
  // A pipe or a device may never end.
  if (!(await stat(path)).isFile()) throw new Error('it is no regular file');
  const content = await readFile(path);
  verify(content);
  const database = new SharedArrayBuffer(content.byteLength);
  content.copy(new Uint8Array(database));
  return database;
}
