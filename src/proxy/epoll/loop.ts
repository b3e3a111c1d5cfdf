import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { EPOLL, EPOLL_EVENT } from '../sys/constants.ts';
import type { Pointer, Sys } from '../sys/sys.ts';
import type { LoopClock } from './clock.ts';
import type { Dialer } from './dialer.ts';
import type { HeaderReader } from './header-reader.ts';
import type { HelloReader } from './hello-reader.ts';
import { INTERRUPTED, must } from './errno.ts';
import type { Listeners } from './listeners.ts';
import type { Command, Outbox } from './messages.ts';
import type { Relay } from './relay.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Timers } from './timers.ts';
import type { Waiters } from './waiters.ts';
import type { WarmSockets } from './warm-sockets.ts';

const MOST_EVENTS = 512;
const WAKE_BYTES = 8;

/** After one of these, all that will ever come has come. */
/** Nothing can be read or written any more. */
const GONE = EPOLL.HANG_UP | EPOLL.ERROR;
const ENDS = EPOLL.READ_HANG_UP | EPOLL.HANG_UP | EPOLL.ERROR;

export interface LoopOptions {
  readonly sys: Sys;
  readonly epoll: number;
  /** An eventfd that is written when a command waits at the port, the stop flag has been set, or a place is free. */
  readonly wakeFd: number;
  readonly port: MessagePort;
  /** Its first cell is not 0 once the loop has to end, whatever else waits. */
  readonly stopFlag: Int32Array<SharedArrayBuffer>;
  readonly table: SocketTable;
  readonly clock: LoopClock;
  readonly listeners: Listeners;
  readonly dialer: Dialer;
  readonly headers: HeaderReader;
  readonly hellos: HelloReader;
  readonly waiters: Waiters;
  readonly relay: Relay;
  readonly warm: WarmSockets;
  readonly timers: Timers;
  readonly outbox: Outbox;
  readonly onCommand: (command: Command) => void;
}

/**
 * The event loop of a data thread. It never gives its thread back before it ends.
 *
 *     epoll_wait ─► a batch of edges ─► turns ─► what is due ─► commands ─► reports ─┐
 *         ▲                                                                          │
 *         └──────────────────────────────────────────────────────────────────────────┘
 */
export class Loop {
  readonly #options: LoopOptions;
  readonly #events = new Int32Array(new ArrayBuffer(MOST_EVENTS * EPOLL_EVENT.words * 4));
  readonly #eventsAt: Pointer;
  readonly #wakeBytes = new ArrayBuffer(WAKE_BYTES);
  readonly #wakeAt: Pointer;
  #isWoken = false;

  constructor(options: LoopOptions) {
    this.#options = options;
    const { sys, epoll, wakeFd } = options;
    this.#eventsAt = sys.addressOf(this.#events.buffer);
    this.#wakeAt = sys.addressOf(this.#wakeBytes);
    must(sys.epollControl(epoll, EPOLL.ADD, wakeFd, EPOLL.IN, 0), 'epoll_ctl');
  }

  /** Runs until the stop flag is set. What was to be told is told, also when it throws. */
  run(): void {
    try {
      this.#run();
    } finally {
      this.#options.outbox.flush();
    }
  }

  #run(): void {
    const { sys, epoll, clock, dialer, relay, timers, waiters, warm, outbox, stopFlag } = this.#options;
    while (Atomics.load(stopFlag, 0) === 0) {
      const timeoutMs = relay.isBusy ? 0 : timers.nextMs();
      const count = sys.epollWait(epoll, this.#eventsAt, MOST_EVENTS, timeoutMs);
      clock.read();
      if (count < 0 && count !== INTERRUPTED) must(count, 'epoll_wait');
      for (let index = 0; index < count; index++) this.#handle(index * EPOLL_EVENT.words);
      relay.takeTurns();
      timers.run();
      if (this.#isWoken) this.#readCommands();
      waiters.serve();
      dialer.dialHeld();
      warm.run();
      outbox.flush();
    }
  }

  #handle(at: number): void {
    const { wakeFd, listeners, table } = this.#options;
    const events = this.#events[at]!;
    const fd = this.#events[at + EPOLL_EVENT.descriptor]!;
    if (fd === wakeFd) this.#isWoken = true;
    else if (listeners.has(fd)) listeners.accept(fd);
    // An event of a descriptor that was closed earlier in the batch, and may be another connection by now.
    else if (
      table.get(fd, CELL.GENERATION) === this.#events[at + EPOLL_EVENT.generation] &&
      table.has(fd, FLAG.OPEN)
    )
      this.#connection(fd, events);
  }

  #connection(fd: number, events: number): void {
    const { table, dialer, headers, relay, warm } = this.#options;
    if ((events & (EPOLL.IN | EPOLL.READ_HANG_UP | EPOLL.HANG_UP)) !== 0) table.mark(fd, FLAG.READABLE);
    if ((events & EPOLL.URGENT) !== 0) table.mark(fd, FLAG.URGENT);
    // A reset hangs up as well, and is no FIN.
    if ((events & (EPOLL.READ_HANG_UP | EPOLL.ERROR)) === EPOLL.READ_HANG_UP) table.mark(fd, FLAG.HUNG_UP);
    if (table.has(fd, FLAG.CONNECTING | FLAG.WARM)) {
      if (table.has(fd, FLAG.WARM)) return warm.happened(fd, events);
      if ((events & (EPOLL.ERROR | EPOLL.HANG_UP)) !== 0) dialer.refused(fd);
      else if ((events & EPOLL.OUT) !== 0) dialer.connected(fd);
      return;
    }
    if (table.has(fd, FLAG.WAITS)) return this.#options.waiters.look(fd, (events & GONE) !== 0);
    if (table.has(fd, FLAG.AWAITS_HEADER | FLAG.AWAITS_HELLO)) {
      const reader = table.has(fd, FLAG.AWAITS_HEADER) ? headers : this.#options.hellos;
      return reader.look(fd, (events & ENDS) !== 0);
    }
    const generation = table.get(fd, CELL.GENERATION);
    if ((events & EPOLL.ERROR) !== 0) relay.errored(fd);
    else if ((events & EPOLL.OUT) !== 0 && table.has(table.peerOf(fd), FLAG.BLOCKED))
      relay.resume(table.peerOf(fd));
    const isSame = generation === table.get(fd, CELL.GENERATION);
    if (isSame && (table.flagsOf(fd) & (FLAG.READABLE | FLAG.QUEUED)) === FLAG.READABLE) relay.pump(fd);
  }

  #readCommands(): void {
    const { sys, wakeFd, port, waiters, warm, onCommand } = this.#options;
    this.#isWoken = false;
    waiters.stir();
    warm.makeRoom();
    sys.read(wakeFd, this.#wakeAt, WAKE_BYTES);
    for (;;) {
      const received = receiveMessageOnPort(port);
      if (received === undefined) return;
      onCommand(received.message as Command);
    }
  }
}
