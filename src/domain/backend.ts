import { z } from 'zod';
import { normalizeAddress } from './address.ts';
import { HEADER_MODES, type HeaderMode } from './proxy-protocol/relayed-header.ts';

/**
 * One backend as its owner wants it: a row of the `backends` table or a `[[backends]]` table of the file.
 *
 * `host` is an address in canonical text, so that another spelling of it in SQL is no new backend.
 * `softLimit` and `hardLimit` count connections; a `hardLimit` of 0 is no limit, a `weight` of 0 takes no new
 * client. `adminUp` and `deleted` are the administrative state; what checks and breakers say is kept elsewhere.
 */
export interface Backend {
  readonly id: string;
  readonly app: string;
  readonly region: string;
  readonly country: string;
  readonly host: string;
  readonly port: number;
  readonly adminUp: boolean;
  readonly weight: number;
  readonly softLimit: number;
  readonly hardLimit: number;
  readonly deleted: boolean;
  /** It registered itself and has been silent for too long: out until it is heard of. */
  readonly expired?: true | undefined;
  /** How it is probed instead of what the settings say. */
  readonly health?: HealthOverride | undefined;
  /** The PROXY header that connections to it begin with, instead of what the settings say. */
  readonly proxyProtocol?: HeaderMode | undefined;
}

/** A health check of its own; what is left out is as the settings say. */
export interface HealthOverride {
  readonly type?: 'tcp' | 'http' | undefined;
  readonly path?: string | undefined;
  readonly expectedStatus?: number | undefined;
}

/** A row that cannot be a backend, with every reason why. */
export interface SkippedRow {
  readonly id: string;
  readonly problems: readonly string[];
}

export interface ParsedRows {
  readonly backends: readonly Backend[];
  readonly skipped: readonly SkippedRow[];
}

const LONGEST_ID = 200;
const LONGEST_SHOWN = 100;

const flag = z.union([z.boolean(), z.literal([0, 1])], { error: 'expected 0 or 1' }).transform(Boolean);
const text = (expected: string) => z.string({ error: expected }).min(1);
const count = (what: string) =>
  z
    .int({ error: `expected ${what}, a whole number from 0 to 2147483647` })
    .min(0)
    .max(2_147_483_647);

/** A path that a request line can carry. */
export const PROBE_PATH = /^\/[\x21-\x7e]*$/;

const OVERRIDE =
  'expected an object of type (tcp or http), path (starts with /) and expected_status (100 to 599)';

/** A health check of its own, as JSON or TOML says it. */
export const healthOverrideSchema = z.strictObject(
  {
    type: z.enum(['tcp', 'http'], { error: OVERRIDE }).optional(),
    path: z.string({ error: OVERRIDE }).regex(PROBE_PATH, OVERRIDE).optional(),
    expected_status: z.int({ error: OVERRIDE }).min(100, OVERRIDE).max(599, OVERRIDE).optional(),
  },
  { error: OVERRIDE },
);

/** The columns of the `backends` table, most of which are also the keys of a `[[backends]]` table in the file. */
export const backendRowSchema = z.object({
  id: text('expected a name').max(LONGEST_ID, `expected at most ${LONGEST_ID} characters`),
  app: text('expected a name'),
  region: text('expected a region code such as sa, us, eu or ap').toLowerCase(),
  country: z
    .string({ error: 'expected a country code of two letters (ISO 3166-1) such as BR' })
    .regex(/^[A-Za-z]{2}$/)
    .toUpperCase(),
  wg_ip: z.union([z.ipv4(), z.ipv6()], { error: 'expected an IPv4 or IPv6 address, not a name' }),
  port: z.int({ error: 'expected a port, 1 to 65535' }).min(1).max(65_535),
  healthy: flag.default(true),
  weight: count('a weight').default(1),
  soft_limit: count('a number of connections').default(100),
  hard_limit: count('a number of connections').default(150),
  deleted: flag.default(false),
  expired: flag.nullish(),
  health_check: healthOverrideSchema.nullish(),
  proxy_protocol: z.enum(HEADER_MODES, { error: 'expected off, v1 or v2' }).nullish(),
});

/** The schema of each column alone. */
export const backendFields = backendRowSchema.shape;

function toOverride(
  row: z.output<typeof healthOverrideSchema> | null | undefined,
): HealthOverride | undefined {
  if (row === null || row === undefined) return undefined;
  return Object.freeze({ type: row.type, path: row.path, expectedStatus: row.expected_status });
}

function toBackend(row: z.output<typeof backendRowSchema>): Backend {
  return Object.freeze({
    id: row.id,
    app: row.app,
    region: row.region,
    country: row.country,
    host: normalizeAddress(row.wg_ip),
    port: row.port,
    adminUp: row.healthy,
    weight: row.weight,
    softLimit: row.soft_limit,
    hardLimit: row.hard_limit,
    deleted: row.deleted,
    expired: row.expired === true ? true : undefined,
    health: toOverride(row.health_check),
    proxyProtocol: row.proxy_protocol ?? undefined,
  });
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  if (typeof value !== 'string') return 'a structure';
  const quoted = JSON.stringify(value);
  return quoted.length > LONGEST_SHOWN ? `${quoted.slice(0, LONGEST_SHOWN)}…` : quoted;
}

function columnOf(row: unknown, column: PropertyKey): unknown {
  return typeof row === 'object' && row !== null ? Reflect.get(row, column) : undefined;
}

/** What is wrong with a value of a row, by its column. */
export function describeIssue({ path: [column], message }: z.core.$ZodIssue, row: unknown): string {
  if (column === undefined) return `row = ${show(row)}: expected a table of columns`;
  return `${String(column)} = ${show(columnOf(row, column))}: ${message}`;
}

function nameOf(row: unknown, index: number): string {
  const id = columnOf(row, 'id');
  return typeof id === 'string' && id !== '' && id.length <= LONGEST_ID ? id : `row ${index + 1}`;
}

/**
 * Turns rows into backends; a bad row is skipped and named, the others apply.
 *
 * The first row of an id wins; a later one with the same id is skipped (a primary key makes that impossible in
 * SQL, a file does not). The result is ordered by id, so equal inputs in any order are equal outputs.
 */
export function parseBackendRows(rows: readonly unknown[]): ParsedRows {
  const byId = new Map<string, Backend>();
  const skipped: SkippedRow[] = [];
  for (const [index, row] of rows.entries()) {
    const parsed = backendRowSchema.safeParse(row);
    if (!parsed.success) {
      const problems = parsed.error.issues.map((issue) => describeIssue(issue, row));
      skipped.push({ id: nameOf(row, index), problems });
    } else if (byId.has(parsed.data.id)) {
      skipped.push({
        id: parsed.data.id,
        problems: [`id = "${parsed.data.id}": used by an earlier row too`],
      });
    } else {
      byId.set(parsed.data.id, toBackend(parsed.data));
    }
  }
  const backends = [...byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return { backends, skipped };
}

/** `host:port`, with an IPv6 host in brackets. */
export function endpointOf(backend: Pick<Backend, 'host' | 'port'>): string {
  return backend.host.includes(':') ? `[${backend.host}]:${backend.port}` : `${backend.host}:${backend.port}`;
}

/**
 * The identity of a backend for connection counts and affinity: the same id at a new address is another backend.
 */
export function incarnationOf(backend: Pick<Backend, 'id' | 'host' | 'port'>): string {
  return `${backend.id}@${endpointOf(backend)}`;
}

/** What an incarnation is made of: an address has no `@`. */
export function partsOf(incarnation: string): { readonly id: string; readonly address: string } {
  const at = incarnation.lastIndexOf('@');
  return { id: incarnation.slice(0, Math.max(0, at)), address: incarnation.slice(at + 1) };
}

const FIELDS = [
  'id',
  'app',
  'region',
  'country',
  'host',
  'port',
  'adminUp',
  'weight',
  'softLimit',
  'hardLimit',
  'deleted',
  'expired',
  'proxyProtocol',
] as const satisfies readonly (keyof Backend)[];

function sameOverride(a: HealthOverride | undefined, b: HealthOverride | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.type === b.type && a.path === b.path && a.expectedStatus === b.expectedStatus;
}

/** Whether two backends say the same in every field. */
export function sameBackend(a: Backend, b: Backend): boolean {
  return FIELDS.every((field) => a[field] === b[field]) && sameOverride(a.health, b.health);
}

/** Whether two lists hold the same backends; both ordered by id, as `parseBackendRows` returns them. */
export function sameBackends(a: readonly Backend[], b: readonly Backend[]): boolean {
  return a.length === b.length && a.every((backend, index) => sameBackend(backend, b[index]!));
}
