import type { PoolSettings } from '../../domain/pool.ts';
import type { Random } from '../../domain/ports.ts';
import type { PoolSwitch } from '../engine-numbers.ts';
import { NO_PERMIT } from '../gates.ts';
import type { PoolCounters } from '../pool-counters.ts';
import { slotOfTenancy } from '../slot-table.ts';
import { EPOLL } from '../sys/constants.ts';
import type { Pointer, Sys } from '../sys/sys.ts';
import type { Shortage } from '../shortage.ts';
import { WarmPool } from '../warm-pool.ts';
import { makesRoom, type WarmRoomOptions } from '../warm-room.ts';
import type { Announcements } from './announcements.ts';
import type { LoopClock } from './clock.ts';
import type { Connector } from './connector.ts';
import { AGAIN, isExhaustion } from './errno.ts';
import type { Parking } from './parking.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Sockets } from './sockets.ts';
import type { Tuning } from './tuning.ts';

export interface WarmSocketsOptions extends WarmRoomOptions {
  readonly sys: Sys;
  readonly table: SocketTable;
  readonly sockets: Sockets;
  readonly announcements: Announcements;
  readonly connector: Connector;
  readonly tuning: Tuning;
  readonly parking: Parking;
  readonly clock: LoopClock;
  /** Read anew each time. */
  readonly settings: PoolSettings & PoolSwitch;
  readonly counters: PoolCounters;
  readonly random: Random;
  readonly shortage: Shortage;
  /** Whether clients wait for places at a backend. */
  readonly isCrowded: (tenancy: number) => boolean;
  /** Descriptors from this number on, read anew each time, are not for clients. */
  readonly descriptors: { readonly clientCeiling: number };
  /** A connection of the pool was dead when it was to be used; its client waits for another one. */
  readonly onStale: (backend: number) => void;
}

/** Clients come first: beyond this share of the descriptors that are for them, nothing is opened for the pool. */
const CEILING_SHARE = 0.75;

const PEEK_BYTES = 1;
const US_PER_MS = 1_000;

/**
 * The warm sockets of a data thread: rows of the table with the flag `WARM` while nobody has them.
 *
 * A connection from the pool and its client are marked `UNUSED` until the first byte goes one way or the other. Until
 * then the backend may turn out to be gone, and another connection takes its place; and the client may leave, and
 * the connection goes back.
 */
export class WarmSockets {
  readonly #options: WarmSocketsOptions;
  readonly #pool: WarmPool<number>;
  readonly #byte = new ArrayBuffer(PEEK_BYTES);
  readonly #byteAt: Pointer;

  constructor(options: WarmSocketsOptions) {
    this.#options = options;
    const { sockets, router, clock } = options;
    this.#byteAt = options.sys.addressOf(this.#byte);
    this.#pool = new WarmPool({
      ...options,
      now: () => clock.ms,
      mayWarm: (tenancy, warm) => router.mayWarm(tenancy, warm),
      connect: (tenancy) => this.#connect(tenancy),
      // It is looked at when the first byte is to go through it, and replaced if need be: once is enough.
      isAlive: () => true,
      waits: (fd) => this.#keepAlive(fd),
      close: (fd) => sockets.close(fd, false),
    });
  }

  /** A connected socket for a client of the backend that the router has just picked, or below zero. */
  take(tenancy: number): number {
    const { table, router, clock, settings } = this.#options;
    if (!settings.isOn) return -1;
    // A trial is to show that the backend can be connected to, and headers are not of the pool.
    if (router.permit !== NO_PERMIT || router.table.headers[router.row] !== 0) return -1;
    const fd = this.#pool.take(tenancy);
    if (fd === undefined) return -1;
    table.unmark(fd, FLAG.WARM | FLAG.READABLE);
    table.mark(fd, FLAG.UNUSED);
    table.set(fd, CELL.BORN, (clock.tick - Math.floor(this.#pool.ageMs)) | 0);
    table.set(fd, CELL.STARTED_US, Math.floor(this.#pool.tookMs * US_PER_MS));
    return fd;
  }

  /** Whether a connection may be opened for a client who has a place: see `makesRoom`. */
  makesRoom(tenancy: number): boolean {
    return makesRoom(this.#pool, tenancy, this.#options);
  }

  /** Another thread may need room. */
  makeRoom(): void {
    this.#pool.makeRoomEverywhere();
  }

  /** Something has happened to a socket that is warm or is to be. */
  happened(fd: number, events: number): void {
    const { table } = this.#options;
    if ((events & EPOLL.ERROR) !== 0)
      return table.has(fd, FLAG.CONNECTING) ? this.#pool.failed(fd) : this.#pool.lost(fd, 'error');
    if (table.has(fd, FLAG.CONNECTING)) {
      if ((events & EPOLL.HANG_UP) !== 0) return this.#pool.failed(fd);
      if ((events & EPOLL.OUT) === 0) return;
      table.unmark(fd, FLAG.CONNECTING);
      this.#pool.connected(fd);
    }
    if ((events & (EPOLL.READ_HANG_UP | EPOLL.HANG_UP)) !== 0) this.#pool.lost(fd, 'closed');
    else if ((events & (EPOLL.IN | EPOLL.URGENT)) !== 0) this.#pool.lost(fd, 'data');
  }

  /** Before the first byte of a client is read: whether its connection from the pool is gone, and another one dialled. */
  isGone(client: number): boolean {
    const { table } = this.#options;
    const backend = table.peerOf(client);
    if (!table.has(client, FLAG.CLIENT)) return false;
    const seen = this.#look(backend);
    if (seen > 0 || seen === AGAIN) return false;
    this.ended(backend, false);
    return true;
  }

  /**
   * The first bytes between a client and a connection from the pool have been read; false when the connection has
   * turned out dead, and the bytes wait for another one.
   *
   * @param sent what the write to the other side has returned
   */
  begins(source: number, sink: number, sent: number, bytes: Uint8Array): boolean {
    const { table, parking, announcements, onStale } = this.#options;
    table.unmark(source, FLAG.UNUSED);
    table.unmark(sink, FLAG.UNUSED);
    if (!table.has(source, FLAG.CLIENT) || sent >= 0 || sent === AGAIN) {
      announcements.forget(table.clientOf(source));
      return true;
    }
    table.set(source, CELL.PARKED, parking.park(bytes) + 1);
    table.mark(source, FLAG.BLOCKED);
    this.#pool.wasStale(table.get(sink, CELL.TENANCY));
    onStale(sink);
    return false;
  }

  /** One side of a connection from the pool has ended before the first byte. */
  ended(fd: number, isReset: boolean): void {
    const { table, onStale } = this.#options;
    if (table.has(fd, FLAG.CLIENT)) return this.#left(fd, isReset);
    table.unmark(table.peerOf(fd), FLAG.UNUSED);
    this.#pool.wasStale(table.get(fd, CELL.TENANCY));
    onStale(fd);
  }

  /** They say otherwise than before: what is too much is closed. */
  settingsChanged(): void {
    if (this.#options.settings.isOn) this.#pool.settingsChanged();
    else this.#pool.clear();
  }

  /** A new set is in force in this thread. */
  routed(): void {
    const { router } = this.#options;
    this.#pool.keepOnly((tenancy) => {
      const row = router.rowOfTenancy(tenancy);
      return row >= 0 && router.table.headers[row] === 0;
    });
  }

  /** Clients want descriptors; false when there are none to give. */
  yieldDescriptors(): boolean {
    return this.#pool.yieldDescriptors();
  }

  /** Nobody comes any more. */
  shut(): void {
    this.#pool.shut();
  }

  nextMs(): number {
    return Math.ceil(this.#pool.nextMs());
  }

  run(): void {
    this.#pool.run();
  }

  /** As `recv` of a byte that stays. */
  #look(fd: number): number {
    return this.#options.sys.peek(fd, this.#byteAt, PEEK_BYTES);
  }

  #keepAlive(fd: number): void {
    const { table, tuning } = this.#options;
    if (table.has(fd, FLAG.KEPT_ALIVE)) return;
    table.mark(fd, FLAG.KEPT_ALIVE);
    tuning.keepAlive(fd);
  }

  #connect(tenancy: number): number | 'exhausted' | 'failed' {
    const { connector, router, sockets, table, descriptors } = this.#options;
    const ceiling = Math.floor(descriptors.clientCeiling * CEILING_SHARE);
    const fd = connector.openWarm(router.table, router.rowOfTenancy(tenancy), ceiling);
    if (fd < 0) return isExhaustion(fd) ? 'exhausted' : 'failed';
    table.set(fd, CELL.TENANCY, tenancy);
    if (sockets.watchAll(fd) >= 0) return fd;
    sockets.close(fd, false);
    // The kernel has no room to watch another one, whichever backend it is of.
    return 'exhausted';
  }

  /** The client has left without having sent or been sent anything: what it had is as good as new. */
  #left(client: number, isReset: boolean): void {
    const { table, sockets, clock, settings } = this.#options;
    const backend = table.peerOf(client);
    const tenancy = table.get(backend, CELL.TENANCY);
    const ageMs = clock.since(table.get(backend, CELL.BORN));
    const tookMs = table.get(backend, CELL.STARTED_US) / US_PER_MS;
    table.unmark(backend, FLAG.UNUSED | FLAG.READABLE);
    const isSound = this.#look(backend) === AGAIN && !table.has(backend, FLAG.URGENT);
    const isBack = isSound && settings.isOn && this.#pool.giveBack(tenancy, backend, ageMs, tookMs);
    if (isBack) {
      table.mark(backend, FLAG.WARM);
      sockets.leave(slotOfTenancy(tenancy), NO_PERMIT);
    } else sockets.closeBackend(backend, isReset);
    sockets.closeClient(client, isReset);
  }
}
