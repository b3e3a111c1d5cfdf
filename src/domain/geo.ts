/** Where a client is, as far as the daemon can tell. */
export interface ClientGeo {
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country: string;
  /** The region that the country belongs to, when the table of regions names one. */
  readonly region: string | undefined;
}

/** Country to region; the key `*` stands for every country that has no entry of its own. */
export type CountryRegions = Readonly<Record<string, string>>;

/** All that tells where clients are, as plain data: may be sent to a thread. */
export interface GeoSource {
  /** Network to country (ISO 3166-1 alpha-2): what the operator knows better than any file. */
  readonly cidrs: Readonly<Record<string, string>>;
  readonly regions: CountryRegions;
  /** The content of a file in the MaxMind format that has been verified. */
  readonly database: SharedArrayBuffer | undefined;
}

const MEMBERS: Readonly<Record<string, string>> = {
  sa: 'BR AR CL PE CO UY PY BO EC VE',
  us: 'US CA MX',
  eu: 'PT ES FR DE NL IT GB IE BE CH AT PL CZ SE NO DK FI RU UA',
  ap: 'JP KR TW HK SG MY TH VN ID PH AU NZ CN IN',
};

/** The table of the original edgeProxy (`value_objects.rs`), its fallback for unlisted countries included. */
export const DEFAULT_COUNTRY_REGIONS: CountryRegions = Object.freeze({
  ...Object.fromEntries(
    Object.entries(MEMBERS).flatMap(([region, countries]) =>
      countries.split(' ').map((country) => [country, region]),
    ),
  ),
  '*': 'us',
});

/** The region of a country, or of `*` when the country has no entry; `undefined` when there is neither. */
export function regionOf(country: string, regions: CountryRegions): string | undefined {
  return Object.hasOwn(regions, country) ? regions[country] : regions['*'];
}

/** 0 the client's country, 1 the client's region, 2 the daemon's own region, 3 anywhere else. Lower is nearer. */
export type GeoTier = 0 | 1 | 2 | 3;

/** How near a backend is to the client; for a client from nowhere, only the daemon's own region is near. */
export function geoTierOf(
  backend: { readonly country: string; readonly region: string },
  client: ClientGeo | undefined,
  ownRegion: string,
): GeoTier {
  if (client !== undefined && backend.country === client.country) return 0;
  if (client !== undefined && backend.region === client.region) return 1;
  return backend.region === ownRegion ? 2 : 3;
}
