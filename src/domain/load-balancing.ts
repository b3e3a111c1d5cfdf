import type { Backend } from './backend.ts';
import type { ClientGeo } from './geo.ts';
import { TournamentTree } from './tournament-tree.ts';

type Capacity = Pick<Backend, 'weight' | 'softLimit' | 'hardLimit'>;

/** Where a backend is, as picking sees it. */
export type Locality = Pick<Backend, 'country' | 'region'>;

/**
 * What picking needs to know of the backends, in columns by index: a set of thousands is taken over in a moment, and
 * may lie in memory that threads share.
 */
export interface Candidates {
  readonly rows: number;
  /** None is 0. */
  readonly weights: ArrayLike<number>;
  /** Index into `localities`. */
  readonly places: ArrayLike<number>;
  readonly localities: readonly Locality[];
}

/** The columns of a list of backends. */
export function candidatesOf(backends: readonly (Locality & Pick<Backend, 'weight'>)[]): Candidates {
  return {
    rows: backends.length,
    weights: backends.map(({ weight }) => weight),
    places: backends.map((_, index) => index),
    localities: backends,
  };
}

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
  readonly members: Int32Array;
  readonly tree: TournamentTree;
}

/** The backends by one of their labels, a tree for each value of it. */
class Grouping {
  readonly #places: ArrayLike<number>;
  /** By place. */
  readonly #groupOf: readonly Group[];
  readonly #byName: ReadonlyMap<string, Group>;
  /** Where each backend sits in the tree of its group. */
  readonly #leaves: Int32Array;

  constructor(candidates: Candidates, scores: Float64Array, nameOf: (locality: Locality) => string) {
    const { rows, weights, places, localities } = candidates;
    const names = localities.map(nameOf);
    const indices = new Map([...new Set(names)].map((name, index) => [name, index]));
    const indexOf = Int32Array.from(names, (name) => indices.get(name)!);
    const sizes = new Int32Array(indices.size);
    this.#places = places;
    this.#leaves = new Int32Array(rows);
    for (let row = 0; row < rows; row++) this.#leaves[row] = sizes[indexOf[places[row]!]!]!++;
    const members = Array.from(sizes, (size) => new Int32Array(size));
    for (let row = 0; row < rows; row++) members[indexOf[places[row]!]!]![this.#leaves[row]!] = row;
    const groups = members.map((own): Group => ({
      members: own,
      tree: new TournamentTree(gather(scores, own), gather(weights, own)),
    }));
    this.#groupOf = Array.from(indexOf, (index) => groups[index]!);
    this.#byName = new Map([...indices].map(([name, index]) => [name, groups[index]!]));
  }

  update(row: number, score: number): void {
    this.#groupOf[this.#places[row]!]!.tree.update(this.#leaves[row]!, score);
  }

  /** The best backend of a group, or -1. */
  pick(name: string, random: number): number {
    const group = this.#byName.get(name);
    const leaf = group === undefined ? -1 : group.tree.pick(random);
    return leaf < 0 ? -1 : group!.members[leaf]!;
  }
}

/** The group that everybody is in. */
const EVERYBODY = '';

/**
 * Picks the best backend for a client: nearest geo tier first, then lowest `loadScore`, equal ones in proportion to
 * their weight; the next tier only when every backend of the nearer one is full.
 *
 * Three families of trees answer the four tiers. No tier needs to leave out the backends of a nearer one: it is
 * asked only when those are all full, and a full backend has the score `Infinity` in every tree.
 *
 *     tier 0  country[client]  ->  tier 1  region[client]  ->  tier 2  region[own]  ->  tier 3  all
 *
 * Backends are known by their index in the columns given. The owner reports every change of a score.
 * Source: the original's `load_balancer.rs`; proportional ties and spillover as Fly.io's soft and hard limits.
 */
export class BackendPicker {
  readonly #ownRegion: string;
  readonly #countries: Grouping;
  readonly #regions: Grouping;
  readonly #all: Grouping;
  readonly #scores: Float64Array;

  /** @param scoreOf the present score by index: `loadScore`, or `Infinity` for one that must not be picked now */
  constructor(candidates: Candidates, ownRegion: string, scoreOf: (index: number) => number) {
    const scores = new Float64Array(candidates.rows);
    for (let index = 0; index < scores.length; index++) scores[index] = scoreOf(index);
    this.#ownRegion = ownRegion;
    this.#scores = scores;
    this.#countries = new Grouping(candidates, scores, ({ country }) => country);
    this.#regions = new Grouping(candidates, scores, ({ region }) => region);
    this.#all = new Grouping(candidates, scores, () => EVERYBODY);
  }

  /** Takes note of a backend's new score. */
  setScore(index: number, score: number): void {
    this.#scores[index] = score;
    this.#countries.update(index, score);
    this.#regions.update(index, score);
    this.#all.update(index, score);
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
      best = this.#countries.pick(client.country, random);
      if (best < 0 && client.region !== undefined) best = this.#regions.pick(client.region, random);
    }
    if (best < 0) best = this.#regions.pick(this.#ownRegion, random);
    return best < 0 ? this.#all.pick(EVERYBODY, random) : best;
  }
}

function gather(values: ArrayLike<number>, indices: Int32Array): Float64Array {
  const gathered = new Float64Array(indices.length);
  for (let at = 0; at < indices.length; at++) gathered[at] = values[indices[at]!]!;
  return gathered;
}
