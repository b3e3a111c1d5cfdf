import type { Backend } from './backend.ts';
import type { ClientGeo } from './geo.ts';
import { TournamentTree } from './tournament-tree.ts';

type Capacity = Pick<Backend, 'weight' | 'softLimit' | 'hardLimit'>;

/** What picking needs to know of a backend. */
export type Candidate = Capacity & Pick<Backend, 'country' | 'region'>;

/** Above every load of a backend below its soft limit; a connection count never comes near it. */
const OVER_SOFT_LIMIT = 2 ** 20;

/**
 * How loaded a backend is within its geo tier; lower is better, `Infinity` is full.
 *
 * `active / (softLimit * weight)`, which equals the seed's `(active / softLimit) / weight` but rounds once, so that
 * backends with equal load tie exactly. A backend at or over its soft limit ranks behind every one below it.
 * A `softLimit` of 0 counts as 1, a `hardLimit` of 0 is no limit, a `weight` of 0 is never picked.
 */
export function loadScore(active: number, { weight, softLimit, hardLimit }: Capacity): number {
  if (weight === 0 || (hardLimit > 0 && active >= hardLimit)) return Infinity;
  const soft = Math.max(1, softLimit);
  const load = active / (soft * weight);
  return active < soft ? load : OVER_SOFT_LIMIT + load;
}

/** One tree over some of the backends: those of a country, of a region, or all. */
interface Group {
  readonly members: readonly number[];
  readonly tree: TournamentTree;
}

/** Where a backend sits in one of its trees. */
interface Seat {
  readonly tree: TournamentTree;
  readonly leaf: number;
}

/**
 * Picks the best backend for a client: nearest geo tier first, then lowest `loadScore`, equal ones in proportion to
 * their weight; the next tier only when every backend of the nearer one is full.
 *
 * Three families of trees answer the four tiers. No tier needs to leave out the backends of a nearer one: it is
 * asked only when those are all full, and a full backend has the score `Infinity` in every tree.
 *
 *     tier 0  country[client]  ->  tier 1  region[client]  ->  tier 2  region[own]  ->  tier 3  all
 *
 * Backends are known by their index in the list given. The owner reports every change of a score.
 * Source: the original's `load_balancer.rs`; proportional ties and spillover as Fly.io's soft and hard limits.
 */
export class BackendPicker {
  readonly #backends: readonly Candidate[];
  readonly #ownRegion: string;
  readonly #countries: ReadonlyMap<string, Group>;
  readonly #regions: ReadonlyMap<string, Group>;
  readonly #all: Group;
  readonly #seats: readonly (readonly Seat[])[];
  readonly #scores: Float64Array;

  /** @param scoreOf the present score by index: `loadScore`, or `Infinity` for one that must not be picked now */
  constructor(backends: readonly Candidate[], ownRegion: string, scoreOf: (index: number) => number) {
    this.#backends = backends;
    this.#ownRegion = ownRegion;
    this.#scores = Float64Array.from(backends, (_, index) => scoreOf(index));
    this.#countries = this.#groupBy('country');
    this.#regions = this.#groupBy('region');
    this.#all = this.#group(backends.map((_, index) => index));
    const seats = backends.map((): Seat[] => []);
    for (const { members, tree } of [...this.#countries.values(), ...this.#regions.values(), this.#all]) {
      for (const [leaf, index] of members.entries()) seats[index]!.push({ tree, leaf });
    }
    this.#seats = seats;
  }

  /** Takes note of a backend's new score. */
  setScore(index: number, score: number): void {
    this.#scores[index] = score;
    for (const { tree, leaf } of this.#seats[index]!) tree.update(leaf, score);
  }

  /**
   * The index of the best backend, or -1 when every one is full or already tried.
   *
   * @param tried indices that this client must not get again; few
   * @param random a number in [0, 1)
   */
  pick(client: ClientGeo | undefined, tried: readonly number[], random: number): number {
    if (tried.length === 0) return this.#best(client, random);
    const scores = tried.map((index) => this.#scores[index]!);
    for (const index of tried) this.setScore(index, Infinity);
    const best = this.#best(client, random);
    for (const [position, index] of tried.entries()) this.setScore(index, scores[position]!);
    return best;
  }

  #best(client: ClientGeo | undefined, random: number): number {
    let best = -1;
    if (client !== undefined) {
      best = pickFrom(this.#countries.get(client.country), random);
      if (best < 0 && client.region !== undefined) best = pickFrom(this.#regions.get(client.region), random);
    }
    if (best < 0) best = pickFrom(this.#regions.get(this.#ownRegion), random);
    return best < 0 ? pickFrom(this.#all, random) : best;
  }

  #groupBy(key: 'country' | 'region'): ReadonlyMap<string, Group> {
    const members = new Map<string, number[]>();
    for (const [index, backend] of this.#backends.entries()) {
      const list = members.get(backend[key]);
      if (list === undefined) members.set(backend[key], [index]);
      else list.push(index);
    }
    return new Map([...members].map(([name, indices]) => [name, this.#group(indices)]));
  }

  #group(members: readonly number[]): Group {
    const scores = members.map((index) => this.#scores[index]!);
    const weights = members.map((index) => this.#backends[index]!.weight);
    return { members, tree: new TournamentTree(scores, weights) };
  }
}

function pickFrom(group: Group | undefined, random: number): number {
  const leaf = group === undefined ? -1 : group.tree.pick(random);
  return leaf < 0 ? -1 : group!.members[leaf]!;
}
