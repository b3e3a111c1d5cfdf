import { connect, type Socket } from 'node:net';
import { parseListenAddress } from '../config/setting-types.ts';
import type { DiscardReason, PoolReport, PoolSettings } from '../domain/pool.ts';
import type { MonotonicClock } from '../domain/ports.ts';
import { KEEP_ALIVE_DELAY_MS } from './net/wire.ts';
import { Occupancy } from './occupancy.ts';
import { newPoolCountersMemory, PoolCounters } from './pool-counters.ts';
import { poolTotals } from './pool-report.ts';
import { MAX_SLOTS, sharedInts } from './shared-columns.ts';
import { newShortageMemory, Shortage } from './shortage.ts';
import { SharedSocket } from './shared-socket.ts';
import { WarmPool } from './warm-pool.ts';

/** Times in milliseconds; all numbers are above 0. */
export interface PoolConfig {
  /** Connections that wait, or are being opened to wait, for one backend. */
  readonly maxConnectionsPerBackend: number;
  /** One that nobody has had for so long is closed. */
  readonly idleTimeoutMs: number;
  /** From when it was connected. */
  readonly maxLifetimeMs: number;
  readonly connectTimeoutMs: number;
  readonly now: MonotonicClock;
}

/** A connection that is its caller's alone until it is given back or closed. */
export interface PooledConnection extends Disposable {
  /**
   * Nothing is read before somebody listens. An error that comes before that ends nothing, and is found in `errored`.
   * What its user sets of it and has listen to it goes with the user.
   */
  readonly socket: Socket;
  /** It was there before it was asked for. */
  readonly isWarm: boolean;
  /** Gives it back; the caller vouches that it is as good as new, such as between two requests. */
  giveBack(): void;
  /** Gives it back when nothing was sent or received over it, and closes it otherwise. */
  [Symbol.dispose](): void;
}

/**
 * Connections to backends that are opened before they are needed: as many as the recent rate of `acquire` asks for.
 *
 * A connection is given to one caller at a time. While it waits it is watched, and closed when its backend says or
 * ends something. What waits does not keep the process alive.
 * Source: the seed's `ConnectionPool`.
 */
export class ConnectionPool implements Disposable {
  readonly #settings: PoolSettings;
  readonly #now: MonotonicClock;
  readonly #counters = new PoolCounters(newPoolCountersMemory(MAX_SLOTS));
  readonly #pool: WarmPool<SharedSocket>;
  /** Numbers of the backends, by id and endpoint: an id at another address is another backend. */
  readonly #numbers = new Map<string, number>();
  readonly #endpoints: { readonly id: string; readonly host: string; readonly port: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;
  #isClosed = false;

  constructor({ maxConnectionsPerBackend, now, ...times }: PoolConfig) {
    this.#settings = { maxPerBackend: maxConnectionsPerBackend, ...times };
    for (const [name, value] of Object.entries({ maxConnectionsPerBackend, ...times }))
      if (!(value > 0)) throw new RangeError(`${name} = ${value}: expected a number above 0`);
    this.#now = now;
    this.#pool = new WarmPool({
      settings: this.#settings,
      now,
      random: Math.random,
      shares: new Occupancy(sharedInts(MAX_SLOTS)),
      counters: this.#counters,
      mayWarm: () => true,
      isCrowded: () => false,
      shortage: new Shortage(newShortageMemory(), now),
      connect: (number) => this.#warm(number),
      isAlive: ({ socket }) => !socket.destroyed && socket.readable,
      waits: ({ socket }) => void socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS),
      close: ({ socket }) => void socket.destroy(),
    });
  }

  /**
   * A connection to a backend: one that waits, or a new one. Rejects with the error of the system when it cannot be
   * connected to, `ETIMEDOUT` when that takes too long.
   *
   * @param endpoint `ADDRESS:PORT` or `[IPV6]:PORT`
   */
  async acquire(backendId: string, endpoint: string): Promise<PooledConnection> {
    if (this.#isClosed) throw new Error('the pool is closed');
    const number = this.#numberOf(backendId, endpoint);
    const shared = this.#pool.take(number);
    this.#runSoon();
    if (shared === undefined) return this.#lend(number, await this.#dial(number), this.#now(), 0, false);
    const { ageMs, tookMs } = this.#pool;
    shared.clear();
    shared.socket.ref();
    return this.#lend(number, shared, this.#now() - ageMs, tookMs, true);
  }

  /** What has become of all that was asked for, by backend id; ids at several endpoints have several entries. */
  report(): PoolReport {
    const { warm, hits, misses } = this.#counters;
    return {
      ...poolTotals([this.#counters]),
      backends: this.#endpoints.map(({ id: backendId }, number) => ({
        backendId,
        hits: hits[number]!,
        misses: misses[number]!,
        warm: warm[number]!,
      })),
    };
  }

  /** Closes what waits. Connections that are lent are their callers' to close. */
  close(): void {
    this.#isClosed = true;
    this.#pool.shut();
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #numberOf(id: string, endpoint: string): number {
    const key = `${endpoint} ${id}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const address = parseListenAddress(endpoint);
    if (address === undefined)
      throw new RangeError(`endpoint = "${endpoint}": expected ADDRESS:PORT or [IPV6]:PORT`);
    if (this.#numbers.size === MAX_SLOTS) throw new RangeError(`more than ${MAX_SLOTS} backends in one pool`);
    const number = this.#endpoints.push({ id, ...address }) - 1;
    this.#numbers.set(key, number);
    return number;
  }

  #dial(number: number): Promise<SharedSocket> {
    const { promise, resolve, reject } = Promise.withResolvers<SharedSocket>();
    const shared = this.#connect(number);
    const { socket } = shared;
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' }));
    }, this.#settings.connectTimeoutMs);
    const settled = (): void => {
      clearTimeout(timer);
      shared.clear();
    };
    socket.once('connect', () => {
      settled();
      resolve(shared);
    });
    socket.once('error', (error) => {
      settled();
      reject(error);
    });
    return promise;
  }

  #warm(number: number): SharedSocket {
    const shared = this.#connect(number);
    const socket = shared.socket.unref();
    socket.once('connect', () => {
      this.#pool.connected(shared);
      this.#watch(shared);
    });
    socket.once('error', () => {
      this.#pool.failed(shared);
      this.#runSoon();
    });
    return shared;
  }

  #connect(number: number): SharedSocket {
    const { host, port } = this.#endpoints[number]!;
    return new SharedSocket(connect({ host, port, noDelay: true }));
  }

  /** Whatever happens to one that waits ends its wait. */
  #watch(shared: SharedSocket): void {
    const { socket } = shared;
    const lost = (reason: DiscardReason): void => {
      this.#pool.lost(shared, reason);
      this.#runSoon();
    };
    shared.clear();
    socket.once('error', () => lost('error'));
    // Bytes, or the end: neither is taken out of the socket.
    socket.once('readable', () => lost(socket.readableLength > 0 ? 'data' : 'closed'));
  }

  #lend(
    number: number,
    shared: SharedSocket,
    bornMs: number,
    tookMs: number,
    isWarm: boolean,
  ): PooledConnection {
    const { socket } = shared;
    const bytesOf = (): number => socket.bytesRead + socket.bytesWritten;
    const before = bytesOf();
    let isLent = true;
    const giveBack = (): void => {
      if (!isLent) return;
      isLent = false;
      const isBack = shared.clear() && this.#pool.giveBack(number, shared, this.#now() - bornMs, tookMs);
      if (!isBack) return void socket.destroy();
      socket.unref();
      this.#watch(shared);
      this.#runSoon();
    };
    return {
      socket,
      isWarm,
      giveBack,
      [Symbol.dispose]() {
        if (isLent && bytesOf() !== before) {
          isLent = false;
          socket.destroy();
        } else giveBack();
      },
    };
  }

  /** After what is under way. */
  #runSoon(): void {
    if (this.#isDue || this.#isClosed) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      if (!this.#isClosed) this.#run();
    });
  }

  #run(): void {
    this.#pool.run();
    clearTimeout(this.#timer);
    const nextMs = this.#pool.nextMs();
    this.#timer = nextMs < 0 ? undefined : setTimeout(() => this.#run(), Math.max(1, nextMs)).unref();
  }
}
