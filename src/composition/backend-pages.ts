import type { z } from 'zod';
import type { backendPage, BackendState, eligibleSet } from '../adapters/http/admin-answers.ts';
import { type Backend, endpointOf, incarnationOf, partsOf } from '../domain/backend.ts';
import type { BackendSwitch } from '../domain/backend-switch.ts';
import type { EligibleSet, ExclusionReason } from '../domain/eligibility.ts';
import type { Page, PageQuery } from '../domain/page.ts';
import type { MonotonicClock } from '../domain/ports.ts';
import type { RegisteredBackend, Registrar } from '../domain/registration.ts';
import { secondsOf } from '../domain/rounding.ts';
import type { BackendFamily } from './backend-family.ts';
import { stateOfFamily } from './family-state.ts';

/** How long a page waits for leases: a database that is away must not keep everything else from who asks. */
const LEASES_PATIENCE_MS = 1_000;

export interface BackendPagesOptions {
  /** The set in force. */
  readonly current: () => EligibleSet;
  readonly families: ReadonlyMap<string, BackendFamily>;
  readonly activeOf: (incarnation: string) => number;
  /** Knows the leases, where there are some. */
  readonly registrar: Pick<Registrar, 'list'> | undefined;
  readonly scope: BackendSwitch['scope'];
  readonly now: MonotonicClock;
}

/** Which backends are asked for. */
export interface BackendQuery extends PageQuery {
  readonly id?: string | undefined;
}

/** A backend of a set, in or out. */
interface Standing {
  readonly backend: Backend;
  readonly incarnation: string;
  readonly reason: ExclusionReason | undefined;
}

/** Backends as the admin API shows them, ordered by id and address. */
export class BackendPages {
  readonly #options: BackendPagesOptions;
  #set: EligibleSet | undefined;
  /** Of that set. */
  #standings: readonly Standing[] = [];

  constructor(options: BackendPagesOptions) {
    this.#options = options;
  }

  eligible(query: BackendQuery): z.input<typeof eligibleSet> {
    const { version, isPanic, eligible, excluded } = this.#options.current();
    const { items, next } = this.#page(query);
    const backends = items.map(({ backend, reason }) => ({
      ...identityOf(backend),
      isEligible: reason === undefined,
      reason: reason ?? null,
    }));
    return { version, isPanic, eligible: eligible.length, excluded: excluded.length, backends, next };
  }

  async states(query: BackendQuery): Promise<z.input<typeof backendPage>> {
    const leases = await this.#leases();
    const { version } = this.#options.current();
    const { items, next } = this.#page(query);
    const backends = items.map((standing) => this.#stateOf(standing, leases));
    return { setVersion: version, drainScope: this.#options.scope, backends, next };
  }

  #stateOf(standing: Standing, leases: ReadonlyMap<string, RegisteredBackend>): BackendState {
    const { backend, incarnation, reason } = standing;
    const { families, activeOf, now } = this.#options;
    return {
      ...identityOf(backend),
      weight: backend.weight,
      softLimit: backend.softLimit,
      hardLimit: backend.hardLimit,
      adminUp: backend.adminUp,
      isEligible: reason === undefined,
      reason: reason ?? null,
      connections: activeOf(incarnation),
      ...stateOfFamily(families.get(incarnation), now()),
      lease: leaseOf(backend, leases.get(backend.id)),
    };
  }

  #page({ id, after, limit }: BackendQuery): Page<Standing> {
    const all = this.#all();
    const behind = after === undefined ? all : all.filter(({ incarnation }) => isBehind(incarnation, after));
    const wanted = id === undefined ? behind : behind.filter(({ backend }) => backend.id === id);
    const items = wanted.slice(0, limit);
    return { items, next: wanted.length > limit ? items.at(-1)!.incarnation : null };
  }

  #all(): readonly Standing[] {
    const set = this.#options.current();
    if (set === this.#set) return this.#standings;
    this.#set = set;
    this.#standings = [
      ...set.eligible.map(({ backend }) => standingOf(backend)),
      ...set.excluded.map(({ backend, reason }) => standingOf(backend, reason)),
    ].toSorted((a, b) => (isBehind(a.incarnation, b.incarnation) ? 1 : -1));
    return this.#standings;
  }

  async #leases(): Promise<ReadonlyMap<string, RegisteredBackend>> {
    const { registrar } = this.#options;
    if (registrar === undefined) return new Map();
    const listed = registrar.list().catch(() => []);
    const patience = Promise.withResolvers<readonly RegisteredBackend[]>();
    const timer = setTimeout(() => patience.resolve([]), LEASES_PATIENCE_MS);
    const all = await Promise.race([listed, patience.promise]);
    clearTimeout(timer);
    return new Map(all.map((one) => [one.backend.id, one]));
  }
}

function standingOf(backend: Backend, reason?: ExclusionReason): Standing {
  return { backend, incarnation: incarnationOf(backend), reason };
}

/** By id, then by address, as sets are ordered. */
function isBehind(incarnation: string, other: string): boolean {
  const [id, otherId] = [partsOf(incarnation).id, partsOf(other).id];
  return id === otherId ? incarnation > other : id > otherId;
}

export function identityOf(backend: Backend) {
  const { id, app, region, country } = backend;
  return { id, address: endpointOf(backend), app, region, country };
}

function leaseOf({ expired }: Backend, lease: RegisteredBackend | undefined): BackendState['lease'] {
  const isExpired = expired === true;
  if (lease === undefined) return isExpired ? { isExpired, heardSecsAgo: null, ttlSecs: null } : null;
  return { isExpired, heardSecsAgo: secondsOf(lease.heardMsAgo), ttlSecs: lease.ttlMs / 1000 };
}
