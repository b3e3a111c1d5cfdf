import { z } from 'zod';
import { type Backend, backendFields, parseBackendRows } from './backend.ts';
import { bodyProblem } from './body-problems.ts';

/** What becomes of a registered backend, in the words of log lines and metrics. */
export const REGISTRATION_CHANGES = [
  'registered',
  'updated',
  'deregistered',
  'expired',
  'revived',
  'removed',
] as const;

export type RegistrationChange = (typeof REGISTRATION_CHANGES)[number];

/** A backend that registered itself, and how long ago it did and was last heard of. */
export interface RegisteredBackend {
  readonly backend: Backend;
  readonly registeredMsAgo: number;
  readonly heardMsAgo: number;
  /** Silence for this long takes it out. */
  readonly ttlMs: number;
}

/** `taken`: the id belongs to somebody else. `refused`: the table does not take it. */
export type RegisterOutcome =
  | { readonly result: 'registered' | 'updated' | 'unchanged' }
  | { readonly result: 'taken' | 'refused'; readonly reason: string };

/** Keeps registered backends. Every method may reject with `ERR_POSTGRES` or `ERR_POSTGRES_SCHEMA`. */
export interface Registrar {
  /** Adds a backend, or replaces the one of this id that registered before. @param by the address that asked for it */
  register(backend: Backend, by: string): Promise<RegisterOutcome>;
  /** `revived`: it had been taken out. `unknown`: no such id has registered. */
  heartbeat(id: string): Promise<'heard' | 'revived' | 'unknown'>;
  /** False when no such id has registered. */
  deregister(id: string): Promise<boolean>;
  /** Ordered by id. */
  list(): Promise<readonly RegisteredBackend[]>;
  find(id: string): Promise<RegisteredBackend | undefined>;
  /**
   * Takes out who was silent for a TTL, and removes who was silent for another one.
   *
   * @param watchedMs how long heartbeats could have been heard without a break: silence beyond that is nobody's fault
   */
  sweep(watchedMs: number): Promise<Swept>;
  /** How many there are, as far as this daemon knows. */
  readonly count: number;
}

/** Is told of what happens to registrations. */
export interface RegistrationWitness {
  /** @param by who asked for it; `undefined` where silence did */
  changed(
    change: RegistrationChange,
    id: string,
    by?: { readonly address: string; readonly role: string },
  ): void;
  beat(result: 'heard' | 'unknown'): void;
}

/** The ids that a sweep has taken out and removed. */
export interface Swept {
  readonly expired: readonly string[];
  readonly removed: readonly string[];
}

const LONGEST_NAME = 200;

/** No control or format characters, no half of a pair; and `.` and `..` would vanish from the path of a URL. */
const PRINTABLE = /^(?!\.{1,2}$)[^\p{C}]+$/u;

const name = (expected: string) =>
  z
    .string({ error: expected })
    .max(LONGEST_NAME, `expected at most ${LONGEST_NAME} characters`)
    .regex(PRINTABLE, `${expected} of printable characters`);

/** Whether a text can be the id of a registered backend at all. */
export function isBackendName(id: string): boolean {
  return id.length <= LONGEST_NAME && PRINTABLE.test(id);
}

/** A body of `POST /api/v1/register`, with the defaults of the original edgeProxy. */
export const registrationSchema = z.strictObject({
  id: name('expected a name'),
  app: name('expected a name'),
  region: name('expected a region code such as sa, us, eu or ap').toLowerCase(),
  country: backendFields.country.nullish(),
  ip: backendFields.wg_ip,
  port: backendFields.port,
  weight: backendFields.weight.default(2),
  soft_limit: backendFields.soft_limit,
  hard_limit: backendFields.hard_limit,
});

/** What stands for a region whose backend names no country; the same as in the original edgeProxy. */
const COUNTRIES: Readonly<Record<string, string>> = { sa: 'BR', us: 'US', eu: 'DE', ap: 'JP' };

export type ParsedRegistration =
  | { readonly ok: true; readonly backend: Backend }
  | { readonly ok: false; readonly problem: string };

const WHOLE = 'the body: expected a JSON object of the fields id, app, region, ip and port';

/** Turns the body of a registration into a backend, or names every field that is wrong. */
export function parseRegistration(body: unknown): ParsedRegistration {
  const parsed = registrationSchema.safeParse(body);
  if (!parsed.success) return { ok: false, problem: bodyProblem(parsed.error, body, WHOLE) };
  const { ip, region, ...rest } = parsed.data;
  const country = rest.country ?? (Object.hasOwn(COUNTRIES, region) ? COUNTRIES[region] : undefined);
  if (country === undefined) {
    const problem =
      'country = nothing: expected a country code of two letters (ISO 3166-1), ' +
      `because the region ${JSON.stringify(region)} stands for none`;
    return { ok: false, problem };
  }
  const { backends } = parseBackendRows([{ ...rest, region, country, wg_ip: ip }]);
  return { ok: true, backend: backends[0]! };
}

/** What silence comes to: within its TTL, to be taken out, or, after a second TTL, to be removed. */
export function silenceOf(
  { heardMsAgo, ttlMs }: Pick<RegisteredBackend, 'heardMsAgo' | 'ttlMs'>,
  isExpired: boolean,
  watchedMs: number,
): 'fresh' | 'expires' | 'is_over' {
  const silentMs = Math.min(heardMsAgo, watchedMs);
  if (!isExpired) return silentMs >= ttlMs ? 'expires' : 'fresh';
  return silentMs >= 2 * ttlMs ? 'is_over' : 'fresh';
}

/**
 * How long heartbeats could have been heard without a break.
 *
 * A daemon that has just started, that was frozen, or whose database was away has missed heartbeats that were sent:
 * it counts silence from then on only.
 */
export class Watch {
  readonly #maxGapMs: number;
  #sinceMs: number | undefined;
  #lastMs = 0;

  /** @param maxGapMs two looks that are further apart than this are a break */
  constructor(maxGapMs: number) {
    this.#maxGapMs = maxGapMs;
  }

  /** To be called at every look; returns for how long there was no break. @param nowMs on a monotonic clock */
  look(nowMs: number): number {
    if (this.#sinceMs === undefined || nowMs - this.#lastMs > this.#maxGapMs) this.#sinceMs = nowMs;
    this.#lastMs = nowMs;
    return nowMs - this.#sinceMs;
  }

  /** Heartbeats cannot be heard. */
  break(): void {
    this.#sinceMs = undefined;
  }
}
