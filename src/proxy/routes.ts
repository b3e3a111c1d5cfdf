import { incarnationOf } from '../domain/backend.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
import type { Candidates, Locality } from '../domain/load-balancing.ts';
import { HEADER_MODES, type HeaderMode } from '../domain/proxy-protocol/relayed-header.ts';
import { sharedInts, sharedNumbers } from './shared-columns.ts';
import type { SlotTable } from './slot-table.ts';

/**
 * An eligible set as columns of numbers, one row a backend: handed to threads without being copied.
 *
 * Never changed after it has been made.
 */
export interface RouteTable extends Candidates {
  readonly version: number;
  readonly tenancies: Int32Array;
  readonly weights: Float64Array;
  readonly softLimits: Float64Array;
  readonly hardLimits: Float64Array;
  readonly places: Int32Array;
  /** The four words of the address, then the port: `ENDPOINT_WORDS` cells a row. */
  readonly endpoints: Int32Array;
  /** What a connection begins with: the index of a mode in `HEADER_MODES`. */
  readonly headers: Int32Array;
  /** The index of the app in `appNames`. */
  readonly apps: Int32Array;
  readonly appNames: readonly string[];
}

export const EMPTY_TABLE: RouteTable = {
  version: 0,
  rows: 0,
  tenancies: new Int32Array(),
  weights: new Float64Array(),
  softLimits: new Float64Array(),
  hardLimits: new Float64Array(),
  places: new Int32Array(),
  localities: [],
  endpoints: new Int32Array(),
  headers: new Int32Array(),
  apps: new Int32Array(),
  appNames: [],
};

export const ENDPOINT_WORDS = 5;

/** Lists the backends of the set that have a slot. @param header of backends that say nothing of it */
export function routeTableOf(
  { version, eligible }: EligibleSet,
  slots: SlotTable,
  header: HeaderMode,
): RouteTable {
  const rows = eligible.length;
  const table = {
    version,
    tenancies: sharedInts(rows),
    weights: sharedNumbers(rows),
    softLimits: sharedNumbers(rows),
    hardLimits: sharedNumbers(rows),
    places: sharedInts(rows),
    endpoints: sharedInts(rows * ENDPOINT_WORDS),
    headers: sharedInts(rows),
    apps: sharedInts(rows),
  };
  const placeOf = new Map<string, number>();
  const localities: Locality[] = [];
  const appOf = new Map<string, number>();
  let row = 0;
  for (const { backend } of eligible) {
    const occupant = slots.of(incarnationOf(backend));
    if (occupant === undefined) continue;
    const { country, region, app } = backend;
    const key = `${country} ${region}`;
    const place = placeOf.get(key) ?? localities.push({ country, region }) - 1;
    placeOf.set(key, place);
    table.tenancies[row] = occupant.tenancy;
    table.weights[row] = backend.weight;
    table.softLimits[row] = backend.softLimit;
    table.hardLimits[row] = backend.hardLimit;
    table.places[row] = place;
    table.endpoints.set(occupant.address.words, row * ENDPOINT_WORDS);
    table.endpoints[row * ENDPOINT_WORDS + 4] = backend.port;
    if (!appOf.has(app)) appOf.set(app, appOf.size);
    table.apps[row] = appOf.get(app)!;
    table.headers[row] = HEADER_MODES.indexOf(backend.proxyProtocol ?? header);
    row++;
  }
  return { ...table, rows: row, localities, appNames: [...appOf.keys()] };
}
