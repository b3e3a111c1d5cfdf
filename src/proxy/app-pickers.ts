import type { ClientGeo } from '../domain/geo.ts';
import { BackendPicker } from '../domain/load-balancing.ts';
import { type App, EVERY_APP } from './apps.ts';
import type { RouteTable } from './routes.ts';

/** The picker of some rows of a table, which it knows by their position among themselves. */
interface Part {
  readonly picker: BackendPicker;
  readonly rows: Int32Array;
}

/** The rows of a table by their apps. */
interface Buckets {
  /** By index into the names of the table. */
  readonly rows: readonly Int32Array[];
  /** By row: where it is among those of its app. */
  readonly positions: Int32Array;
}

/** Of an app that no row of the table has. */
const NO_ROWS = -1;

/**
 * Picks among the backends of one app, or among all: a picker for each app that clients come for, made when the first
 * of them comes unless it is prepared before.
 *
 * Rows are those of the table. What nobody comes for costs nothing.
 */
export class AppPickers {
  readonly #table: RouteTable;
  readonly #ownRegion: string;
  readonly #scoreOf: (row: number) => number;
  #every: BackendPicker | undefined;
  /** By index into the names of the table. */
  readonly #parts: (Part | undefined)[] = [];
  #buckets: Buckets | undefined;
  /** By number of an app: its index into the names of the table. */
  readonly #indices: number[] = [];

  constructor(table: RouteTable, ownRegion: string, scoreOf: (row: number) => number) {
    this.#table = table;
    this.#ownRegion = ownRegion;
    this.#scoreOf = scoreOf;
  }

  /** Takes note of the new score of a row. */
  setScore(row: number, score: number): void {
    this.#every?.setScore(row, score);
    if (this.#buckets === undefined) return;
    this.#parts[this.#table.apps[row]!]?.picker.setScore(this.#buckets.positions[row]!, score);
  }

  /** Makes the picker of an app before anybody comes for it. */
  prepare(app: App): void {
    if (app.number === EVERY_APP) this.#ofEvery();
    else this.#partOf(app);
  }

  /** How many rows there are for an app. */
  sizeOf(app: App): number {
    return app.number === EVERY_APP ? this.#table.rows : (this.#partOf(app)?.rows.length ?? 0);
  }

  /** Whether a row is for the clients of an app. */
  serves(app: App, row: number): boolean {
    return app.number === EVERY_APP || this.#table.apps[row] === this.#indexOf(app);
  }

  /** The best row for a client of an app, or -1. @param tried rows of the app that it must not get */
  pick(app: App, client: ClientGeo | undefined, tried: readonly number[], random: number): number {
    if (app.number === EVERY_APP) return this.#ofEvery().pick(client, tried, random);
    const part = this.#partOf(app);
    if (part === undefined) return -1;
    const own = tried.length === 0 ? tried : tried.map((row) => this.#buckets!.positions[row]!);
    const position = part.picker.pick(client, own, random);
    return position < 0 ? -1 : part.rows[position]!;
  }

  #ofEvery(): BackendPicker {
    return (this.#every ??= new BackendPicker(this.#table, this.#ownRegion, this.#scoreOf));
  }

  #indexOf({ number, name }: App): number {
    return (this.#indices[number] ??= this.#table.appNames.indexOf(name!));
  }

  #partOf(app: App): Part | undefined {
    const index = this.#indexOf(app);
    return index === NO_ROWS ? undefined : (this.#parts[index] ??= this.#newPart(index));
  }

  #newPart(index: number): Part {
    const { weights, places, localities } = this.#table;
    const rows = (this.#buckets ??= bucketsOf(this.#table)).rows[index]!;
    const candidates = {
      rows: rows.length,
      weights: Float64Array.from(rows, (row) => weights[row]!),
      places: rows.map((row) => places[row]!),
      localities,
    };
    const scoreOf = (position: number): number => this.#scoreOf(rows[position]!);
    return { picker: new BackendPicker(candidates, this.#ownRegion, scoreOf), rows };
  }
}

function bucketsOf({ apps, appNames, rows }: RouteTable): Buckets {
  const sizes = new Int32Array(appNames.length);
  const positions = new Int32Array(rows);
  for (let row = 0; row < rows; row++) positions[row] = sizes[apps[row]!]!++;
  const buckets = Array.from(sizes, (size) => new Int32Array(size));
  for (let row = 0; row < rows; row++) buckets[apps[row]!]![positions[row]!] = row;
  return { rows: buckets, positions };
}
