import type { PoolSettings } from '../../domain/pool.ts';
import type { MonotonicClock } from '../../domain/ports.ts';
import { classifyConnectError } from '../connect-error.ts';
import type { PoolSwitch } from '../engine-numbers.ts';
import { NO_PERMIT } from '../gates.ts';
import type { PoolCounters } from '../pool-counters.ts';
import { Shortage, type ShortageMemory } from '../shortage.ts';
import type { Occupants } from '../slot-table.ts';
import { WarmPool } from '../warm-pool.ts';
import { makesRoom, type WarmRoomOptions } from '../warm-room.ts';
import { KEEP_ALIVE_DELAY_MS, type Transport, type Wire, type WireHolder, type WireReader } from './wire.ts';

export interface WarmWiresOptions extends WarmRoomOptions {
  /** Read anew each time. */
  readonly settings: PoolSettings & PoolSwitch;
  readonly transport: Transport;
  readonly slots: Occupants;
  /** Of the pools of all threads. */
  readonly shortages: ShortageMemory;
  readonly counters: PoolCounters;
  readonly now: MonotonicClock;
  /** Whether clients wait for places at a backend. */
  readonly isCrowded: (tenancy: number) => boolean;
}

/** A wire from the pool, and what is known of it should it come back. */
export interface WarmWire {
  readonly wire: Wire;
  readonly tenancy: number;
  /** When it was connected, on the engine's clock. */
  readonly bornMs: number;
  /** What the connect took. */
  readonly tookMs: number;
}

/** The pool of the portable engine: wires that are read from, as nothing else tells that one has ended. */
export class WarmWires implements WireHolder, WireReader {
  readonly #options: WarmWiresOptions;
  readonly #pool: WarmPool<Wire>;
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;

  constructor(options: WarmWiresOptions) {
    this.#options = options;
    const { router } = options;
    this.#pool = new WarmPool({
      ...options,
      random: Math.random,
      shortage: new Shortage(options.shortages, options.now),
      mayWarm: (tenancy, warm) => router.mayWarm(tenancy, warm),
      connect: (tenancy) => this.#connect(tenancy),
      isAlive: (wire) => wire.isConnected(),
      waits: (wire) => wire.keepAlive(KEEP_ALIVE_DELAY_MS),
      close: (wire) => wire.close(),
    });
  }

  /** A connection for a client of the backend that the router has just picked. */
  take(tenancy: number): WarmWire | undefined {
    const { router, now, settings } = this.#options;
    if (!settings.isOn) return undefined;
    // A trial is to show that the backend can be connected to, and headers are not of the pool.
    if (router.permit !== NO_PERMIT || router.table.headers[router.row] !== 0) return undefined;
    const wire = this.#pool.take(tenancy);
    this.#runSoon();
    if (wire === undefined) return undefined;
    return { wire, tenancy, bornMs: now() - this.#pool.ageMs, tookMs: this.#pool.tookMs };
  }

  /** Whether a connection may be opened for a client who has a place: see `makesRoom`. */
  makesRoom(tenancy: number): boolean {
    return makesRoom(this.#pool, tenancy, this.#options);
  }

  /** A client of another thread may need room. */
  makeRoomEverywhere(): void {
    this.#pool.makeRoomEverywhere();
  }

  /** Takes one back whose client has left without a byte, or closes it. */
  giveBack({ wire, tenancy, bornMs, tookMs }: WarmWire): void {
    const { now, settings } = this.#options;
    const ageMs = now() - bornMs;
    wire.hold(this);
    if (!settings.isOn || !wire.isConnected() || !this.#pool.giveBack(tenancy, wire, ageMs, tookMs))
      return wire.close();
    wire.read(this);
    this.#runSoon();
  }

  /** One that was handed out was dead. */
  wasStale({ tenancy }: WarmWire): void {
    this.#pool.wasStale(tenancy);
  }

  /** They say otherwise than before: what is too much is closed. */
  settingsChanged(): void {
    if (this.#options.settings.isOn) this.#pool.settingsChanged();
    else this.#pool.clear();
    this.#runSoon();
  }

  /** A new set is in force. */
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
    clearTimeout(this.#timer);
  }

  connected(wire: Wire): void {
    this.#pool.connected(wire);
    wire.read(this);
  }

  dialFailed(wire: Wire, errorCode: string): void {
    this.#pool.failed(wire);
    if (classifyConnectError(errorCode) === 'exhausted') this.#pool.yieldDescriptors();
    this.#runSoon();
  }

  closed(wire: Wire): void {
    this.#lost(wire, 'error');
  }

  took(wire: Wire): void {
    this.#lost(wire, 'data');
  }

  ended(wire: Wire): void {
    this.#lost(wire, 'closed');
  }

  broke(wire: Wire): void {
    this.#lost(wire, 'error');
  }

  wrote(): void {}

  writeFailed(): void {}

  #lost(wire: Wire, reason: 'data' | 'closed' | 'error'): void {
    this.#pool.lost(wire, reason);
    this.#runSoon();
  }

  #connect(tenancy: number): Wire {
    const { transport, slots } = this.#options;
    // Whoever has no backend there is not routed to.
    const { host, port } = slots.holding(tenancy)!.backend;
    return transport.dial(host, port, this);
  }

  /** After the clients of this turn. */
  #runSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#run();
    });
  }

  #run(): void {
    this.#pool.run();
    clearTimeout(this.#timer);
    const nextMs = this.#pool.nextMs();
    this.#timer = nextMs < 0 ? undefined : setTimeout(() => this.#run(), Math.max(1, nextMs));
  }
}
