import { loadScore } from '../domain/load-balancing.ts';
import { REFUSAL_REASONS, type RefusalReason } from '../domain/outcome.ts';
import type { GeoResolver, Random } from '../domain/ports.ts';
import type { Affinity } from './affinity.ts';
import { AppPickers } from './app-pickers.ts';
import { type App, BY_SERVER_NAME } from './apps.ts';
import type { Counters } from './counters.ts';
import { type Gates, NO_PERMIT, SHUT } from './gates.ts';
import type { IpAddress } from './ip-address.ts';
import type { Occupancy } from './occupancy.ts';
import { EMPTY_TABLE, type RouteTable } from './routes.ts';
import type { ScoreNews } from './score-news.ts';
import { slotOfTenancy } from './slot-table.ts';

export interface RouterOptions {
  readonly ownRegion: string;
  readonly geo: GeoResolver;
  readonly affinity: Affinity;
  readonly occupancy: Occupancy;
  readonly gates: Gates;
  /** This thread's own. */
  readonly counters: Counters;
  readonly news: ScoreNews;
  readonly random: Random;
}

/** What one set looks like to the router; replaced as a whole, never changed. */
interface Routes {
  readonly table: RouteTable;
  readonly pickers: AppPickers;
}

const NOWHERE = -1;

/** `enter` answers with one of these below zero. */
const codeOf = (reason: RefusalReason): number => -1 - REFUSAL_REASONS.indexOf(reason);
export const ALL_FULL = codeOf('all_full');
const CONNECT_FAILED = codeOf('connect_failed');
const NO_BACKEND = codeOf('no_backend');

/** Why `enter` has answered below zero. */
export function refusalOf(code: number): RefusalReason {
  return REFUSAL_REASONS[-1 - code]!;
}

/**
 * The decisions of the proxy, free of sockets: which backend a client gets, and whether there is room. One router a
 * thread; what several threads must agree on is in shared memory.
 *
 *     enter(client, tried, app) ─► affinity ─► pick by geo tier and load ─► reserve slot and permit   (one tick)
 *                                                                             │
 *     connected(client, tenancy, app) ─► bind    settle(slot, permit, result) │ permit back, or void
 *                                                leave(slot)  ◄───────────────┘ exactly once
 *
 * Numbers, no objects: an engine keeps what it holds in columns of its own.
 */
export class Router {
  /** Of the last `enter` that found a place: what outcomes carry. */
  epoch = 0;
  /** Of the last `enter` that found a place: its permit of a half-open breaker, or `NO_PERMIT`. */
  permit = NO_PERMIT;
  /** Of the last `enter` that found a place: its row in the table. */
  row = NOWHERE;
  /** A place or a permit has been given back: whoever waits for one may look. */
  onFreed: () => void = () => {};
  /** Tells where clients are. */
  geo: GeoResolver;

  readonly #options: RouterOptions;
  /** Plus one; 0 is none. */
  readonly #rows: Int32Array;
  readonly #tried: number[] = [];
  /** By number, those that clients may come for. */
  readonly #apps: App[] = [];
  #routes: Routes = { table: EMPTY_TABLE, pickers: new AppPickers(EMPTY_TABLE, '', () => Infinity) };

  constructor(options: RouterOptions) {
    this.#options = options;
    this.geo = options.geo;
    this.#rows = new Int32Array(options.occupancy.maxSlots);
  }

  get table(): RouteTable {
    return this.#routes.table;
  }

  /** Routes new connections by this table from now on. */
  apply(table: RouteTable): void {
    for (const tenancy of this.#routes.table.tenancies) this.#rows[slotOfTenancy(tenancy)] = 0;
    for (let row = 0; row < table.rows; row++) this.#rows[slotOfTenancy(table.tenancies[row]!)] = row + 1;
    const scoreOf = (row: number): number => this.#scoreOf(table, row);
    this.#routes = { table, pickers: new AppPickers(table, this.#options.ownRegion, scoreOf) };
    this.#apps.forEach((app) => this.#routes.pickers.prepare(app));
  }

  /** Clients may come for an app from now on. */
  offer(app: App): void {
    if (app.number === BY_SERVER_NAME) return;
    this.#apps[app.number] = app;
    this.#routes.pickers.prepare(app);
  }

  /**
   * Picks a backend for the client and reserves a place there, in one go: its slot, with `epoch`, `permit` and `row`
   * set, or a number below zero that `refusalOf` explains.
   *
   * @param tried slots that failed for this client before; it gets none of these backends again
   * @param app number of one that is offered
   */
  enter(client: IpAddress, tried: readonly number[], app: number): number {
    this.#options.news.follow(this.#refresh, this.#refreshAll);
    const { table, pickers } = this.#routes;
    const own = this.#apps[app]!;
    const triedRows = tried.length === 0 ? tried : this.#rowsOf(tried, own);
    const { geo } = this;
    const { random } = this.#options;
    let row = this.#boundRow(client, triedRows, own);
    for (;;) {
      const place = row >= 0 || geo.isEmpty ? undefined : geo.locate(client.text);
      if (row < 0) row = pickers.pick(own, place, triedRows, random());
      if (row < 0) break;
      const slot = slotOfTenancy(table.tenancies[row]!);
      const hasEntered = this.#take(slot, table.hardLimits[row]!);
      this.#refresh(slot);
      if (hasEntered) {
        this.#options.news.tell(slot);
        this.row = row;
        return slot;
      }
      row = NOWHERE;
    }
    if (pickers.sizeOf(own) > triedRows.length) return ALL_FULL;
    return tried.length > 0 ? CONNECT_FAILED : NO_BACKEND;
  }

  /** Whether new clients may be sent to this slot, by the table in force. */
  routesTo(slot: number): boolean {
    return this.#rowOf(slot) !== NOWHERE;
  }

  /** The row of a backend in the table in force; below zero when new clients are not to be sent there. */
  rowOfTenancy(tenancy: number): number {
    const row = this.#rowOf(slotOfTenancy(tenancy));
    return row >= 0 && this.table.tenancies[row] === tenancy ? row : NOWHERE;
  }

  /**
   * Whether another connection may be opened for a place that was taken without a permit: the backend is still routed
   * to, and its breaker has not moved on.
   */
  mayRedial(tenancy: number, epoch: number): boolean {
    const { gates } = this.#options;
    const slot = slotOfTenancy(tenancy);
    return this.rowOfTenancy(tenancy) >= 0 && gates.epochOf(slot) === epoch && !gates.isLimited(slot);
  }

  /**
   * Whether a connection that no client waits for may be opened to a backend: it is sound, takes no header, and has room
   * for those that are warm already.
   */
  mayWarm(tenancy: number, warm: number): boolean {
    const { gates, occupancy } = this.#options;
    const slot = slotOfTenancy(tenancy);
    const row = this.rowOfTenancy(tenancy);
    if (row < 0 || this.table.headers[row] !== 0 || gates.isLimited(slot)) return false;
    const hardLimit = this.table.hardLimits[row]!;
    return hardLimit === 0 || occupancy.of(slot) + warm < hardLimit;
  }

  /** Whether clients of an app that is offered may be sent to a backend, by the table in force. */
  serves(app: number, tenancy: number): boolean {
    const row = this.rowOfTenancy(tenancy);
    const known = this.#apps[app];
    return known !== undefined && row >= 0 && this.#routes.pickers.serves(known, row);
  }

  /**
   * Whether all who have a place at a backend may be connected to it beside so many warm ones. Who has a place, has it:
   * it is the warm ones that give way.
   */
  hasRoom(tenancy: number, warm: number): boolean {
    const row = this.rowOfTenancy(tenancy);
    if (row < 0 || warm === 0) return true;
    const hardLimit = this.table.hardLimits[row]!;
    return hardLimit === 0 || this.#options.occupancy.of(slotOfTenancy(tenancy)) + warm <= hardLimit;
  }

  /** Binds a client of an app to the backend that it has been connected to. */
  connected(client: IpAddress, tenancy: number, app: number): void {
    this.#options.affinity.bind(client, tenancy, app);
  }

  /**
   * Tells the outcome of a place that may hold a half-open permit.
   *
   * A success, or an end without an outcome, frees it for the next trial. A failure voids it: the circuit opens, and
   * until the set that says so is here, nobody may come in its stead.
   */
  settle(slot: number, permit: number, result: 'success' | 'failure' | 'none'): void {
    if (permit === NO_PERMIT || result === 'failure') return;
    this.#options.gates.giveBack(slot, permit);
    this.#changed(slot);
  }

  /** Gives a place back, after its permit. */
  leave(slot: number): void {
    this.#options.counters.active[slot]!--;
    this.#options.occupancy.leave(slot);
    this.#changed(slot);
  }

  #rowOf(slot: number): number {
    return this.#rows[slot]! - 1;
  }

  #boundRow(client: IpAddress, triedRows: readonly number[], app: App): number {
    const tenancy = this.#options.affinity.boundTo(client, app.number);
    if (tenancy < 0) return NOWHERE;
    const row = this.rowOfTenancy(tenancy);
    const isOfApp = row >= 0 && this.#routes.pickers.serves(app, row);
    const mayEnter = isOfApp && !this.#options.gates.isShut(slotOfTenancy(tenancy));
    return mayEnter && !triedRows.includes(row) ? row : NOWHERE;
  }

  /** Those that are of the app still. */
  #rowsOf(slots: readonly number[], app: App): readonly number[] {
    this.#tried.length = 0;
    for (const slot of slots) {
      const row = this.#rowOf(slot);
      if (row >= 0 && this.#routes.pickers.serves(app, row)) this.#tried.push(row);
    }
    return this.#tried;
  }

  #take(slot: number, hardLimit: number): boolean {
    const { occupancy, gates, news } = this.#options;
    if (!occupancy.tryEnter(slot, hardLimit)) return false;
    for (;;) {
      const epoch = gates.epochOf(slot);
      const permit = gates.take(slot);
      if (permit === SHUT) {
        occupancy.leave(slot);
        // Another thread may have found no room because of the place that was held for a moment.
        news.tell(slot);
        this.onFreed();
        return false;
      }
      // The breaker may have moved on in between: what was let in by the one must not be told to the other.
      if (gates.epochOf(slot) === epoch) {
        this.epoch = epoch;
        this.permit = permit;
        this.#options.counters.active[slot]!++;
        return true;
      }
      if (permit !== NO_PERMIT) gates.giveBack(slot, permit);
    }
  }

  #changed(slot: number): void {
    this.#options.news.tell(slot);
    this.#refresh(slot);
    this.onFreed();
  }

  #scoreOf({ tenancies, weights, softLimits, hardLimits }: RouteTable, row: number): number {
    const { gates, occupancy } = this.#options;
    const slot = slotOfTenancy(tenancies[row]!);
    if (gates.isShut(slot)) return Infinity;
    const capacity = { weight: weights[row]!, softLimit: softLimits[row]!, hardLimit: hardLimits[row]! };
    return loadScore(occupancy.of(slot), capacity);
  }

  readonly #refresh = (slot: number): void => {
    const row = this.#rowOf(slot);
    const { table, pickers } = this.#routes;
    if (row >= 0) pickers.setScore(row, this.#scoreOf(table, row));
  };

  readonly #refreshAll = (): void => {
    const { tenancies, rows } = this.#routes.table;
    for (let row = 0; row < rows; row++) this.#refresh(slotOfTenancy(tenancies[row]!));
  };
}
