import { type DiscardReason, LOSSES } from '../domain/pool.ts';
import { discardByTime, PoolPolicy, poolSweepMs } from './pool-policy.ts';
import { PoolShares } from './pool-shares.ts';
import { slotOfTenancy } from './slot-table.ts';
import type { BackendPool, Warm } from './warm-backend.ts';
import type { WarmPoolOptions } from './warm-pool-options.ts';

/**
 * Connections to backends that nobody has used yet: one that is handed out spares its client the handshake.
 *
 *     connect ─► connecting ─► idle ─► take: the client's        giveBack, when the client has left without a byte ─┐
 *                    │          ▲└───────────────────────────────────────────────────────────────────────────────────┘
 *                    ▼          ▼ data, FIN, error, too old, backend left, shut down
 *                  failed     discarded
 *
 * One for each thread, free of sockets: the engine connects, looks and closes. `run` opens what is missing, after the
 * clients of a batch have been served. A connection that is kept or being opened holds a share of its backend's cap,
 * which is exact over all threads, and no place at the backend.
 */
export class WarmPool<Socket extends number | object> {
  /** Of the last one that was taken: milliseconds since it was connected, and what that took. */
  ageMs = 0;
  tookMs = 0;

  readonly #options: WarmPoolOptions<Socket>;
  readonly #shares: PoolShares;
  readonly #backends = new Map<number, BackendPool<Socket>>();
  readonly #warm = new Map<Socket, Warm<Socket>>();
  /** Something may be missing. */
  readonly #due = new Set<BackendPool<Socket>>();
  #sweepMs: number;
  #sweptMs: number;
  #isShut = false;

  constructor(options: WarmPoolOptions<Socket>) {
    this.#options = options;
    this.#shares = new PoolShares(options);
    this.#sweepMs = poolSweepMs(options.settings);
    this.#sweptMs = options.now();
  }

  /** A client has come: a connection that is alive and his own from now on, with `ageMs` and `tookMs`, or nothing. */
  take(tenancy: number): Socket | undefined {
    const { counters } = this.#options;
    const warm = this.#isShut ? undefined : this.#takeAlive(tenancy);
    const column = warm === undefined ? counters.misses : counters.hits;
    column[slotOfTenancy(tenancy)]!++;
    return warm?.socket;
  }

  #takeAlive(tenancy: number): Warm<Socket> | undefined {
    const { now, isAlive, settings } = this.#options;
    const nowMs = now();
    const backend = this.#backendOf(tenancy);
    backend.policy.arrived(nowMs);
    this.#due.add(backend);
    for (let warm = backend.idle.at(-1); warm !== undefined; warm = backend.idle.at(-1)) {
      const reason = discardByTime(warm, nowMs, settings) ?? (isAlive(warm.socket) ? undefined : 'dead');
      if (reason !== undefined) {
        this.#discard(warm, reason);
        continue;
      }
      this.#remove(warm);
      this.#shares.leave(tenancy);
      backend.policy.served();
      this.ageMs = nowMs - warm.bornMs;
      this.tookMs = warm.tookMs;
      return warm;
    }
    return undefined;
  }

  /** One that was taken has turned out dead before it was of use. */
  wasStale(tenancy: number): void {
    const { counters, now } = this.#options;
    counters.discarded('stale');
    this.#backends.get(tenancy)?.policy.failed(now());
  }

  /**
   * Takes a connection back that has carried nothing; false when it is to be closed by whoever has it.
   *
   * @param ageMs milliseconds since it was connected
   */
  giveBack(tenancy: number, socket: Socket, ageMs: number, tookMs: number): boolean {
    const { now, counters, mayWarm } = this.#options;
    const nowMs = now();
    // Its client still holds a place.
    if (this.#isShut || !mayWarm(tenancy, this.#shares.of(tenancy) - 1)) return false;
    if (!this.#shares.take(tenancy)) {
      counters.discarded('surplus');
      return false;
    }
    const backend = this.#backendOf(tenancy);
    const warm = { socket, backend, isConnecting: false, bornMs: nowMs - ageMs, sinceMs: nowMs, tookMs };
    this.#warm.set(socket, warm);
    backend.idle.push(warm);
    counters.returned();
    return true;
  }

  /** A connect has succeeded. */
  connected(socket: Socket): void {
    const warm = this.#warm.get(socket);
    if (warm === undefined) return;
    const nowMs = this.#options.now();
    warm.tookMs = nowMs - warm.bornMs;
    warm.isConnecting = false;
    warm.bornMs = nowMs;
    warm.sinceMs = nowMs;
    warm.backend.connecting--;
    warm.backend.policy.connected(warm.tookMs);
    warm.backend.idle.push(warm);
  }

  /** A connect has failed. It says nothing about the backend: clients and probes judge it. */
  failed(socket: Socket): void {
    const warm = this.#warm.get(socket);
    if (warm !== undefined) this.#fail(warm);
  }

  /** Something has happened to a connection that nobody uses. */
  lost(socket: Socket, reason: DiscardReason): void {
    const warm = this.#warm.get(socket);
    if (warm !== undefined) this.#discard(warm, reason);
  }

  /** Closes what belongs to backends that new clients may not get any more. */
  keepOnly(isRouted: (tenancy: number) => boolean): void {
    for (const warm of this.#warm.values())
      if (!isRouted(warm.backend.tenancy)) this.#discard(warm, 'backend_left');
    for (const backend of this.#backends.values()) {
      if (isRouted(backend.tenancy)) continue;
      this.#backends.delete(backend.tenancy);
      this.#due.delete(backend);
    }
  }

  /** Closes what clients have taken the room of at a backend. */
  makeRoom(tenancy: number): void {
    const backend = this.#backends.get(tenancy);
    if (backend !== undefined) this.#trim(backend);
  }

  /** The same at all backends. */
  makeRoomEverywhere(): void {
    for (const backend of this.#backends.values()) this.#trim(backend);
  }

  /** The settings have changed: closes what is too much now; the time that the others have waited counts. */
  settingsChanged(): void {
    const { settings } = this.#options;
    this.#sweepMs = poolSweepMs(settings);
    for (const warm of this.#warm.values())
      if (this.#shares.of(warm.backend.tenancy) > settings.maxPerBackend) this.#discard(warm, 'surplus');
  }

  /** Closes everything, and opens nothing before clients come. */
  clear(): void {
    for (const warm of this.#warm.values()) this.#discard(warm, 'surplus');
    this.#backends.clear();
    this.#due.clear();
  }

  /** Makes room here, and in other threads soon, and opens nothing for a while; false when there was nothing. */
  yieldDescriptors(): boolean {
    this.#options.shortage.tell();
    return this.#giveWay();
  }

  /** Closes everything for good. */
  shut(): void {
    this.#isShut = true;
    for (const warm of this.#warm.values()) this.#discard(warm, 'shutdown');
    this.#backends.clear();
    this.#due.clear();
  }

  /** Milliseconds until it is to be looked at; -1 when there is nothing. */
  nextMs(): number {
    if (this.#backends.size === 0) return -1;
    if (this.#due.size > 0) return 0;
    return Math.max(0, this.#sweepMs - (this.#options.now() - this.#sweptMs));
  }

  /** Opens what is missing, and closes what is too old. */
  run(): void {
    if (this.#backends.size === 0) return;
    const nowMs = this.#options.now();
    if (nowMs - this.#sweptMs >= this.#sweepMs) this.#sweep(nowMs);
    for (const backend of this.#due) {
      this.#trim(backend);
      this.#fill(backend, nowMs);
    }
    this.#due.clear();
  }

  #giveWay(): boolean {
    const isEmpty = this.#warm.size === 0;
    if (this.#options.shortage.isNew())
      for (const warm of this.#warm.values()) this.#discard(warm, 'descriptors');
    return !isEmpty && this.#warm.size === 0;
  }

  #sweep(nowMs: number): void {
    const { settings, waits } = this.#options;
    this.#sweptMs = nowMs;
    this.#giveWay();
    for (const warm of this.#warm.values()) {
      const reason = discardByTime(warm, nowMs, settings);
      if (reason !== undefined) this.#discard(warm, reason);
      else if (!warm.isConnecting) waits(warm.socket);
      else if (nowMs - warm.bornMs >= settings.connectTimeoutMs) this.#fail(warm);
    }
    for (const backend of this.#backends.values()) {
      const isUnused = backend.idle.length === 0 && backend.connecting === 0;
      if (isUnused && backend.policy.wanted(nowMs) === 0) this.#backends.delete(backend.tenancy);
      else this.#due.add(backend);
    }
  }

  /** Closes what clients have taken the room of. */
  #trim({ tenancy, idle, connecting }: BackendPool<Socket>): void {
    const isTooMuch = (): boolean => !this.#options.mayWarm(tenancy, this.#shares.of(tenancy) - 1);
    if (idle.length + connecting === 0 || !isTooMuch()) return;
    for (const warm of this.#warm.values())
      if (warm.backend.tenancy === tenancy && isTooMuch()) this.#discard(warm, 'surplus');
  }

  #fill(backend: BackendPool<Socket>, nowMs: number): void {
    const { mayWarm, isCrowded, shortage, connect } = this.#options;
    const { tenancy, policy, idle } = backend;
    if (!shortage.mayOpen || !policy.mayConnect(nowMs) || isCrowded(tenancy)) return;
    for (let some = policy.wanted(nowMs) - idle.length - backend.connecting; some > 0; some--) {
      if (!mayWarm(tenancy, this.#shares.of(tenancy)) || !this.#shares.take(tenancy)) return;
      // A client, or another thread, may have taken the room in between: who looks second sees the other.
      if (!mayWarm(tenancy, this.#shares.of(tenancy) - 1)) return this.#shares.leave(tenancy);
      const socket = connect(tenancy);
      if (socket === 'exhausted' || socket === 'failed') {
        this.#shares.leave(tenancy);
        if (socket === 'exhausted') shortage.rest();
        else this.#countFailure(backend);
        return;
      }
      backend.connecting++;
      const times = { bornMs: nowMs, sinceMs: nowMs, tookMs: 0 };
      this.#warm.set(socket, { socket, backend, isConnecting: true, ...times });
    }
  }

  #backendOf(tenancy: number): BackendPool<Socket> {
    let backend = this.#backends.get(tenancy);
    if (backend === undefined) {
      const { settings, random } = this.#options;
      backend = { tenancy, policy: new PoolPolicy(settings, random), idle: [], connecting: 0 };
      this.#backends.set(tenancy, backend);
    }
    return backend;
  }

  #fail(warm: Warm<Socket>): void {
    this.#countFailure(warm.backend);
    this.#close(warm);
  }

  #countFailure({ policy }: BackendPool<Socket>): void {
    const { counters, now } = this.#options;
    counters.connectFailed();
    policy.failed(now());
  }

  #discard(warm: Warm<Socket>, reason: DiscardReason): void {
    this.#options.counters.discarded(reason);
    if (LOSSES.has(reason)) warm.backend.policy.failed(this.#options.now());
    this.#due.add(warm.backend);
    this.#close(warm);
  }

  /** Its share is free when it is closed, and not before. */
  #close(warm: Warm<Socket>): void {
    this.#remove(warm);
    this.#options.close(warm.socket);
    this.#shares.leave(warm.backend.tenancy);
  }

  #remove(warm: Warm<Socket>): void {
    const { backend, socket } = warm;
    this.#warm.delete(socket);
    if (warm.isConnecting) backend.connecting--;
    else backend.idle.splice(backend.idle.lastIndexOf(warm), 1);
  }
}
