import type { Attention } from '../attention.ts';
import type { ConnectionLimits } from '../connection-limits.ts';
import type { Counters } from '../counters.ts';
import { NO_PERMIT } from '../gates.ts';
import { IpAddress } from '../ip-address.ts';
import type { Router } from '../router.ts';
import { slotOfTenancy } from '../slot-table.ts';
import { EPOLL } from '../sys/constants.ts';
import type { Sys } from '../sys/sys.ts';
import type { Announcements } from './announcements.ts';
import type { Outbox, OutcomeCode } from './messages.ts';
import type { Parking } from './parking.ts';
import type { Pipes } from './pipes.ts';
import { Resetter } from './resetter.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';

/** What may happen to a socket, told once an edge: that there is something to read, and that there is room to write. */
const READS = EPOLL.EDGE | EPOLL.IN | EPOLL.URGENT | EPOLL.READ_HANG_UP;
const ALL = READS | EPOLL.OUT;

export interface SocketsOptions {
  readonly sys: Sys;
  readonly epoll: number;
  readonly table: SocketTable;
  readonly parking: Parking;
  readonly pipes: Pipes;
  readonly router: Router;
  readonly counters: Counters;
  readonly limits: ConnectionLimits | undefined;
  readonly announcements: Announcements;
  readonly attention: Attention;
  readonly outbox: Outbox;
  /** The last connection of a client has ended. */
  readonly onIdle: () => void;
}

/**
 * The sockets of one thread and what each of them holds: the one place where a socket is closed, a place at a backend
 * given back, and an outcome told.
 */
export class Sockets {
  readonly #options: SocketsOptions;
  readonly #resetter: Resetter;
  readonly #address = new IpAddress();
  /** Clients that are connected; what keeps the thread from being drained. */
  clients = 0;

  constructor(options: SocketsOptions) {
    this.#options = options;
    this.#resetter = new Resetter(options.sys);
  }

  /** Has all its edges told from now on; below zero when the kernel has no room for that. */
  watchAll(fd: number): number {
    this.#options.table.mark(fd, FLAG.TELLS_ROOM);
    return this.#control(EPOLL.ADD, fd, ALL);
  }

  /**
   * Has only those edges told that say of something to read. A socket that has just come to be has room, and an
   * edge that says so would wake the thread for nothing.
   */
  watchReads(fd: number): number {
    return this.#control(EPOLL.ADD, fd, READS);
  }

  /** Has nothing told of it any more. */
  unwatch(fd: number): void {
    this.#control(EPOLL.DELETE, fd, 0);
  }

  /** Has it told when there is room to write again. */
  awaitRoom(fd: number): void {
    const { table } = this.#options;
    if (table.has(fd, FLAG.TELLS_ROOM)) return;
    table.mark(fd, FLAG.TELLS_ROOM);
    this.#control(EPOLL.MODIFY, fd, ALL);
  }

  /** Takes a client over that has been accepted. */
  openClient(fd: number): boolean {
    const { table, counters } = this.#options;
    counters.clientAccepted();
    this.clients++;
    return table.open(fd, FLAG.OPEN | FLAG.CLIENT);
  }

  /** Ends the client's side, and the connection with it. */
  closeClient(fd: number, isReset: boolean): void {
    if (this.#options.table.has(fd, FLAG.COUNTED | FLAG.ANNOUNCED)) this.#forgetClient(fd);
    this.close(fd, isReset);
    this.#options.counters.clientEnded();
    this.clients--;
    if (this.clients === 0) this.#options.onIdle();
  }

  #forgetClient(client: number): void {
    this.#options.announcements.forget(client);
    if (this.#options.table.has(client, FLAG.COUNTED)) this.#countOut(client);
  }

  #countOut(client: number): void {
    // First: who buries this thread would count it out again.
    this.#options.table.unmark(client, FLAG.COUNTED);
    this.#options.table.readAddress(client, this.#address);
    this.#options.limits!.leave(this.#address.words);
  }

  /** Ends the backend's side and gives its place back. */
  closeBackend(fd: number, isReset: boolean): void {
    const { table } = this.#options;
    const slot = slotOfTenancy(table.get(fd, CELL.TENANCY));
    this.close(fd, isReset);
    this.leave(slot, table.get(fd, CELL.PERMIT));
  }

  /** Ends both sides of a connection, given either. */
  closeBoth(fd: number, isReset: boolean): void {
    const { table } = this.#options;
    const client = table.clientOf(fd);
    const backend = table.peerOf(client);
    // The place is free before its client can see the end and come again.
    this.closeBackend(backend, isReset);
    this.closeClient(client, isReset);
  }

  /** Gives a place back that no socket holds any more. */
  leave(slot: number, permit: number): void {
    this.#options.router.settle(slot, permit, 'none');
    this.#options.router.leave(slot);
  }

  #control(operation: number, fd: number, events: number): number {
    const { sys, epoll, table } = this.#options;
    return sys.epollControl(epoll, operation, fd, events, table.get(fd, CELL.GENERATION));
  }

  close(fd: number, isReset: boolean): void {
    const { sys, table, parking, pipes } = this.#options;
    if (isReset) this.#resetter.prepare(fd);
    if (table.get(fd, CELL.PARKED) > 0) parking.free(table.get(fd, CELL.PARKED) - 1);
    if (table.get(fd, CELL.PIPE) > 0) pipes.giveBack(table.get(fd, CELL.PIPE) - 1);
    table.set(fd, CELL.PARKED, 0);
    table.set(fd, CELL.PIPE, 0);
    table.forget(fd);
    sys.close(fd);
  }

  /** The backend has done what it is there for; told when somebody listens. */
  succeeded(backend: number): void {
    const { table, router, attention, outbox } = this.#options;
    table.mark(backend, FLAG.SETTLED);
    const tenancy = table.get(backend, CELL.TENANCY);
    const slot = slotOfTenancy(tenancy);
    const permit = table.get(backend, CELL.PERMIT);
    if (permit === NO_PERMIT && !attention.isOn(slot)) return;
    router.settle(slot, permit, 'success');
    table.set(backend, CELL.PERMIT, NO_PERMIT);
    outbox.outcome(tenancy, table.get(backend, CELL.EPOCH), 'success');
  }

  /** The backend has failed its client. */
  failed(backend: number, code: OutcomeCode, error = 0): void {
    const { table } = this.#options;
    table.mark(backend, FLAG.SETTLED);
    const permit = table.get(backend, CELL.PERMIT);
    table.set(backend, CELL.PERMIT, NO_PERMIT);
    this.charge(table.get(backend, CELL.TENANCY), table.get(backend, CELL.EPOCH), permit, code, error);
  }

  /** Counts a failure against a backend, and voids the permit that was held. */
  charge(tenancy: number, epoch: number, permit: number, code: OutcomeCode, error: number): void {
    const { router, counters, attention, outbox } = this.#options;
    const slot = slotOfTenancy(tenancy);
    router.settle(slot, permit, 'failure');
    counters.errors[slot]!++;
    attention.failed(slot);
    outbox.outcome(tenancy, epoch, code, error);
  }
}
