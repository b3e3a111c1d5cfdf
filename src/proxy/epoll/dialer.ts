import type { RefusalReason } from '../../domain/outcome.ts';
import { NO_PERMIT } from '../gates.ts';
import { IpAddress } from '../ip-address.ts';
import { ALL_FULL, refusalOf, type Router } from '../router.ts';
import { slotOfTenancy } from '../slot-table.ts';
import { SO, SOL } from '../sys/constants.ts';
import type { Sys } from '../sys/sys.ts';
import type { Timeouts } from '../timeouts.ts';
import { ABANDONED, type AttemptCause, causeOf, isCharged, isLocal } from './attempt-cause.ts';
import type { LoopClock } from './clock.ts';
import type { Connector } from './connector.ts';
import { DialList } from './dial-list.ts';
import { errorNameOf, isExhaustion, TIMED_OUT } from './errno.ts';
import { HeldDials } from './held-dials.ts';
import type { Joiner } from './joiner.ts';
import type { Outbox } from './messages.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Sockets } from './sockets.ts';
import type { WarmSockets } from './warm-sockets.ts';

export interface DialerOptions {
  readonly sys: Sys;
  readonly table: SocketTable;
  readonly sockets: Sockets;
  readonly connector: Connector;
  readonly warm: WarmSockets;
  readonly joiner: Joiner;
  readonly router: Router;
  readonly clock: LoopClock;
  readonly outbox: Outbox;
  /** Read anew each time. */
  readonly timeouts: Timeouts;
  readonly onRefused: (reason: RefusalReason, client: IpAddress, detail?: string) => void;
  /** A client has been let in, and has a place no more, through nobody's fault. */
  readonly onPlaceLost: (client: number) => void;
  /** A connect failed for a reason that lies with this machine. */
  readonly onLocalTrouble: (tenancy: number, error: string) => void;
  readonly log: { readonly isDetailed: boolean };
}

/** What a connect that has waited goes on with. */
const HELD_CELLS = [CELL.PEER, CELL.TENANCY, CELL.EPOCH, CELL.PERMIT] as const;

/**
 * Finds every client its backend.
 *
 *     admitted ─► enter ─► from the pool ──────────────────► relay
 *                   ▲  └───► socket, connect ─► connected ─────┘
 *                   │            │ refused, unreachable, timed out, abandoned
 *                   └────────────┘ next distinct backend, within attempts and deadline
 *
 * A client is neither read nor watched before a backend has answered: nothing of it can be lost, it sees nothing of
 * an attempt that fails, and one that leaves meanwhile is noticed when its backend has answered.
 */
export class Dialer {
  readonly #options: DialerOptions;
  readonly #table: SocketTable;
  readonly #dials: DialList;
  readonly #held: HeldDials;
  readonly #address = new IpAddress();
  /** Backends that have failed a client, by its descriptor: only of those whom one has failed. */
  readonly #tried = new Map<number, number[]>();

  constructor(options: DialerOptions) {
    this.#options = options;
    this.#table = options.table;
    this.#dials = new DialList(options.table, (fd) => this.#timeLeft(fd));
    this.#held = new HeldDials({
      table: options.table,
      warm: options.warm,
      onRoom: (fd) => this.#dialHeld(fd),
    });
  }

  /**
   * Finds a client a backend and dials it, or refuses the client; false when every backend is full, and nothing has
   * been done. Its address is in its row.
   *
   * @param onDecided called before anything is done
   */
  find(client: number, onDecided?: (client: number) => void): boolean {
    this.#table.readAddress(client, this.#address);
    const slot = this.#options.router.enter(this.#address, [], this.#table.appOf(client));
    if (slot === ALL_FULL) return false;
    onDecided?.(client);
    this.#table.set(client, CELL.SINCE, this.#options.clock.tick);
    this.#table.set(client, CELL.PEER, -1);
    if (slot < 0) this.#refuse(client, refusalOf(slot));
    else this.#serveAt(client);
    return true;
  }

  /** Turns a client away. Its address is in its row. */
  refuse(client: number, reason: RefusalReason, detail?: string): void {
    this.#table.readAddress(client, this.#address);
    this.#refuse(client, reason, detail);
  }

  /** Ends a client that has no backend. */
  endClient(client: number): void {
    this.#tried.delete(client);
    this.#options.sockets.closeClient(client, false);
  }

  /** A connect has failed; the kernel knows why. */
  refused(backend: number): void {
    const error = this.#options.sys.getOption(backend, SOL.SOCKET, SO.ERROR);
    if (error === 0) this.connected(backend);
    else this.#failed(backend, error > 0 ? -error : error);
  }

  /** A backend has answered: its client is relayed to it from now on. */
  connected(backend: number): void {
    this.#dials.remove(backend);
    this.#established(backend, this.#options.clock.microsSince(this.#table.get(backend, CELL.STARTED_US)));
  }

  /**
   * A connection from the pool has turned out dead before it was of use, which is nobody's fault: its client gets a
   * new one to the same backend. Where that may not be, it is as one that comes now.
   */
  redial(backend: number): void {
    const { sockets, router, clock } = this.#options;
    const table = this.#table;
    const client = table.peerOf(backend);
    const tenancy = table.get(backend, CELL.TENANCY);
    const epoch = table.get(backend, CELL.EPOCH);
    sockets.unwatch(client);
    sockets.close(backend, false);
    table.set(client, CELL.SINCE, clock.tick);
    if (router.mayRedial(tenancy, epoch))
      return this.#connect(client, tenancy, router.rowOfTenancy(tenancy), epoch, NO_PERMIT, FLAG.REDIALLED);
    sockets.leave(slotOfTenancy(tenancy), NO_PERMIT);
    this.#options.onPlaceLost(client);
  }

  #established(backend: number, tookMicros: number): void {
    const { sockets, joiner, log, onLocalTrouble } = this.#options;
    const table = this.#table;
    const client = table.peerOf(backend);
    const tenancy = table.get(backend, CELL.TENANCY);
    this.#tried.delete(client);
    table.readAddress(client, this.#address);
    const watched = sockets.watchReads(client);
    if (watched < 0) {
      onLocalTrouble(tenancy, errorNameOf(watched));
      sockets.closeBackend(backend, false);
      return this.#refuse(client, 'local_error');
    }
    if (log.isDetailed) this.#log(tenancy, 'client connected to backend');
    joiner.join(client, backend, this.#address, tookMicros);
  }

  /** Leaves the backend of a client that is not connected yet, for another one. */
  abandon(backend: number): void {
    this.#failed(backend, ABANDONED);
  }

  /** Ends a client that is not connected yet. */
  giveUp(backend: number): void {
    const client = this.#table.peerOf(backend);
    this.#dials.remove(backend);
    this.#options.sockets.closeBackend(backend, false);
    this.endClient(client);
  }

  /** Milliseconds until the next connect has taken too long; -1 when none is under way. */
  nextTimeoutMs(): number {
    const { first } = this.#dials;
    return first < 0 ? -1 : Math.min(this.#held.lookMs, Math.max(0, this.#timeLeft(first)));
  }

  /** Goes on with the connects that have waited for room. */
  dialHeld(): void {
    this.#held.look();
  }

  /** A connect under way keeps the time that it has taken. */
  timeoutsChanged(): void {
    this.#dials.reorder();
  }

  /** Ends the connects that have taken too long. */
  expire(): void {
    for (let fd = this.#dials.first; fd >= 0 && this.#timeLeft(fd) <= 0; fd = this.#dials.first)
      this.#failed(fd, TIMED_OUT);
  }

  #timeLeft(backend: number): number {
    const { clock, timeouts } = this.#options;
    const { connectTimeoutMs, connectAttempts } = timeouts;
    const table = this.#table;
    const own = connectTimeoutMs - clock.since(table.get(backend, CELL.SINCE));
    const all =
      connectTimeoutMs * connectAttempts - clock.since(table.get(table.peerOf(backend), CELL.SINCE));
    return Math.min(own, all);
  }

  #dial(client: number, tried: readonly number[]): void {
    const slot = this.#options.router.enter(this.#address, tried, this.#table.appOf(client));
    if (slot >= 0) this.#serveAt(client);
    else this.#refuse(client, refusalOf(slot));
  }

  /** Gives a client a connection to the backend where the router has just taken a place. */
  #serveAt(client: number): void {
    const { router, outbox, warm } = this.#options;
    const { epoch, permit, row } = router;
    const tenancy = router.table.tenancies[row]!;
    if (permit !== NO_PERMIT) outbox.outcome(tenancy, epoch, 'trial');
    const backend = warm.take(tenancy);
    if (backend < 0) return this.#connect(client, tenancy, row, epoch, permit);
    this.#pair(client, backend, tenancy, epoch, permit);
    this.#established(backend, this.#table.get(backend, CELL.STARTED_US));
  }

  /** Opens a connection for a client that has a place. @param flags for its row */
  #connect(client: number, tenancy: number, row: number, epoch: number, permit: number, flags = 0): void {
    const { connector, router, sockets, clock, warm } = this.#options;
    const table = this.#table;
    const isHeld = !warm.makesRoom(tenancy);
    const open = (): number => (isHeld ? connector.hold() : connector.open(router.table, row));
    let backend = open();
    if (backend < 0 && isExhaustion(backend) && warm.yieldDescriptors()) backend = open();
    if (backend < 0) {
      const cause = this.#causeOf(tenancy, backend);
      if (isCharged(cause)) sockets.charge(tenancy, epoch, permit, cause, backend);
      sockets.leave(slotOfTenancy(tenancy), isCharged(cause) ? NO_PERMIT : permit);
      return this.#tryNext(client, tenancy, cause);
    }
    this.#pair(client, backend, tenancy, epoch, permit);
    table.mark(backend, flags);
    table.set(backend, CELL.STARTED_US, clock.micros());
    this.#dials.insert(backend);
    if (isHeld) return this.#held.add(backend);
    const watched = sockets.watchAll(backend);
    if (watched < 0) this.#failed(backend, watched);
  }

  #dialHeld(held: number): void {
    const [client, tenancy, epoch, permit] = HELD_CELLS.map((cell) => this.#table.get(held, cell));
    const flags = this.#table.flagsOf(held) & FLAG.REDIALLED;
    const row = this.#options.router.rowOfTenancy(tenancy!);
    if (row < 0) return this.abandon(held);
    this.#dials.remove(held);
    this.#options.sockets.close(held, false);
    this.#connect(client!, tenancy!, row, epoch!, permit!, flags);
  }

  #pair(client: number, backend: number, tenancy: number, epoch: number, permit: number): void {
    const table = this.#table;
    table.pair(client, backend, tenancy);
    table.set(backend, CELL.EPOCH, epoch);
    table.set(backend, CELL.PERMIT, permit);
    table.set(backend, CELL.SINCE, this.#options.clock.tick);
  }

  #failed(backend: number, error: number): void {
    const { sockets } = this.#options;
    const tenancy = this.#table.get(backend, CELL.TENANCY);
    const client = this.#table.peerOf(backend);
    const cause = this.#causeOf(tenancy, error);
    if (isCharged(cause)) sockets.failed(backend, cause, error);
    this.#dials.remove(backend);
    sockets.closeBackend(backend, false);
    this.#tryNext(client, tenancy, cause);
  }

  /** Whom a failed attempt is to be charged to; trouble of this machine is told. */
  #causeOf(tenancy: number, error: number): AttemptCause {
    const cause = causeOf(error);
    if (isLocal(cause)) this.#options.onLocalTrouble(tenancy, errorNameOf(error));
    return cause;
  }

  /** Goes on to the next backend, when another one may do better and there is time. */
  #tryNext(client: number, tenancy: number, cause: AttemptCause): void {
    const { clock, timeouts } = this.#options;
    const { connectTimeoutMs, connectAttempts } = timeouts;
    const tried = this.#tried.get(client) ?? [];
    tried.push(slotOfTenancy(tenancy));
    this.#table.readAddress(client, this.#address);
    const isInTime = clock.since(this.#table.get(client, CELL.SINCE)) < connectTimeoutMs * connectAttempts;
    if (cause === 'exhausted' || tried.length >= connectAttempts || !isInTime) {
      return this.#refuse(client, isLocal(cause) ? 'local_error' : 'connect_failed');
    }
    this.#tried.set(client, tried);
    this.#dial(client, tried);
  }

  #refuse(client: number, reason: RefusalReason, detail?: string): void {
    this.#options.onRefused(reason, this.#address, detail);
    this.endClient(client);
  }

  #log(tenancy: number, message: string): void {
    this.#options.outbox.log('debug', { client: this.#address.text, tenancy }, message);
  }
}
