import { MOST_APPS } from './apps.ts';
import type { QueueBounds } from './engine-numbers.ts';
import { sharedInts } from './shared-columns.ts';

/** What the threads share: may be sent to a thread. */
export type WaitQueueMemory = Int32Array<SharedArrayBuffer>;

/**
 * The cells of all threads, then those of each, by app: the ticket of its first client, or 0, and how many of its own
 * wait.
 */
const WAITING = 0;
const TICKETS = 1;
/** One more than the greatest number of an app that anybody has ever waited for. */
const APPS = 2;
const FIRST_OF_THREADS = 3;
const CELLS_OF_APP = 2;
const CELLS_OF_THREAD = CELLS_OF_APP * MOST_APPS;
const NO_TICKET = 0;
const NO_CELL = -1;

export function newWaitQueueMemory(threads: number): WaitQueueMemory {
  return sharedInts(FIRST_OF_THREADS + threads * CELLS_OF_THREAD);
}

/** How many wait, in all threads and for whatever app. */
export function waitingIn(memory: WaitQueueMemory): number {
  return Atomics.load(memory, WAITING);
}

/** In the name of a thread that has died: its clients wait no more, and its places are for those who still do. */
export function leaveQueues(
  memory: WaitQueueMemory,
  bounds: QueueBounds,
  thread: number,
  wake: (thread: number) => void,
): void {
  const queues = new WaitQueues(memory, bounds, thread, wake);
  for (const app of queues.apps()) queues.of(app).threadDied();
}

/** The queues of all apps, as one thread takes part in them: also of those that none of its own clients has come for. */
export class WaitQueues {
  readonly #memory: WaitQueueMemory;
  readonly #bounds: QueueBounds;
  readonly #thread: number;
  readonly #wake: (thread: number) => void;
  readonly #byApp: (WaitQueue | undefined)[] = [];

  /**
   * @param bounds read anew each time
   * @param wake has another thread look whether it is its turn
   */
  constructor(memory: WaitQueueMemory, bounds: QueueBounds, thread: number, wake: (thread: number) => void) {
    this.#memory = memory;
    this.#bounds = bounds;
    this.#thread = thread;
    this.#wake = wake;
  }

  of(app: number): WaitQueue {
    return (this.#byApp[app] ??= new WaitQueue(
      this.#memory,
      this.#bounds,
      { thread: this.#thread, app },
      this.#wake,
    ));
  }

  /** Somebody waits, in whichever thread and for whatever app. */
  get isAnybodyWaiting(): boolean {
    return waitingIn(this.#memory) > 0;
  }

  /** The same of some apps. */
  isAnybodyWaitingFor(isMeant: (app: number) => boolean): boolean {
    if (!this.isAnybodyWaiting) return false;
    for (const app of this.apps()) if (this.of(app).isAnybodyWaiting && isMeant(app)) return true;
    return false;
  }

  /** Those that somebody waits for, and others that somebody may have waited for. */
  *apps(): Generator<number> {
    const apps = Atomics.load(this.#memory, APPS);
    for (let app = 0; app < apps; app++) yield app;
  }

  /**
   * Tells other threads of a place that has been freed: of each app that nobody waits for in this one, whoever has
   * waited longest looks for it.
   */
  wakeOthers(): void {
    if (!this.isAnybodyWaiting) return;
    const threads = new Set<number>();
    for (const app of this.apps()) {
      const thread = this.of(app).firstElsewhere();
      if (thread !== undefined) threads.add(thread);
    }
    for (const thread of threads) this.#wake(thread);
  }
}

/** Whose line it is, by number. */
export interface LineOf {
  readonly thread: number;
  readonly app: number;
}

/**
 * The order in which clients of one app, of all threads, wait for a place at a backend. The bounds are those of all
 * apps together.
 *
 *     thread   join ─► ticket      its own line, in the order of the tickets
 *              publish(first)      what the others see of it
 *              isFirst? ─► serve   or wakeFirst, when somebody in another thread has waited longer
 *
 * Who frees a place looks here after it has freed it, and who joins looks for a place after it has joined: so none is
 * free while somebody waits for it, and nobody knows.
 */
export class WaitQueue {
  readonly bounds: QueueBounds;
  readonly #cells: WaitQueueMemory;
  readonly #app: number;
  readonly #own: number;
  /** The cell of the first thread. */
  readonly #first: number;
  readonly #wake: (thread: number) => void;

  /**
   * @param bounds read anew each time
   * @param wake has another thread look whether it is its turn
   */
  constructor(
    memory: WaitQueueMemory,
    bounds: QueueBounds,
    { thread, app }: LineOf,
    wake: (thread: number) => void,
  ) {
    this.bounds = bounds;
    this.#cells = memory;
    this.#app = app;
    this.#first = FIRST_OF_THREADS + app * CELLS_OF_APP;
    this.#own = this.#first + thread * CELLS_OF_THREAD;
    this.#wake = wake;
  }

  /** Somebody waits for this app, in whichever thread. */
  get isAnybodyWaiting(): boolean {
    return waitingIn(this.#cells) > 0 && this.#firstCell(NO_TICKET, NO_CELL) !== NO_CELL;
  }

  /** Takes a place in the line: the ticket, or 0 when too many wait already. */
  join(): number {
    for (;;) {
      const waiting = waitingIn(this.#cells);
      if (waiting >= this.bounds.maxWaiting) return NO_TICKET;
      if (Atomics.compareExchange(this.#cells, WAITING, waiting, waiting + 1) === waiting) break;
    }
    this.#noteApp();
    Atomics.add(this.#cells, this.#own + 1, 1);
    const ticket = (Atomics.add(this.#cells, TICKETS, 1) + 1) | 0;
    return ticket === NO_TICKET ? (Atomics.add(this.#cells, TICKETS, 1) + 1) | 0 : ticket;
  }

  /** One of this thread's own waits no more. */
  leave(): void {
    Atomics.sub(this.#cells, this.#own + 1, 1);
    Atomics.sub(this.#cells, WAITING, 1);
  }

  /** Tells the ticket of this thread's first; 0 when nobody waits here. */
  publish(ticket: number): void {
    Atomics.store(this.#cells, this.#own, ticket);
  }

  /** Whether nobody in another thread has waited longer. */
  isFirst(ticket: number): boolean {
    return this.#firstCell(ticket, this.#own) === this.#own;
  }

  /** Has the thread whose first has waited longest look for a place, unless that is this one. */
  wakeFirst(): void {
    if (waitingIn(this.#cells) === 0) return;
    const own = Atomics.load(this.#cells, this.#own);
    const cell = this.#firstCell(own, own === NO_TICKET ? NO_CELL : this.#own);
    if (cell !== NO_CELL && cell !== this.#own) this.#wake(this.#threadAt(cell));
  }

  /** The thread whose first has waited longest; nothing when nobody waits, or somebody does in this thread. */
  firstElsewhere(): number | undefined {
    if (Atomics.load(this.#cells, this.#own) !== NO_TICKET) return undefined;
    const cell = this.#firstCell(NO_TICKET, NO_CELL);
    return cell === NO_CELL ? undefined : this.#threadAt(cell);
  }

  /** In the name of a thread that has died. */
  threadDied(): void {
    this.publish(NO_TICKET);
    Atomics.sub(this.#cells, WAITING, Atomics.exchange(this.#cells, this.#own + 1, 0));
    this.wakeFirst();
  }

  #threadAt(cell: number): number {
    return (cell - this.#first) / CELLS_OF_THREAD;
  }

  #noteApp(): void {
    for (;;) {
      const apps = Atomics.load(this.#cells, APPS);
      if (apps > this.#app || Atomics.compareExchange(this.#cells, APPS, apps, this.#app + 1) === apps)
        return;
    }
  }

  /** The cell of the oldest ticket, given one to begin with. Tickets wrap around; only differences count. */
  #firstCell(ticket: number, at: number): number {
    let [first, cell] = [ticket, at];
    for (let other = this.#first; other < this.#cells.length; other += CELLS_OF_THREAD) {
      const theirs = Atomics.load(this.#cells, other);
      if (theirs === NO_TICKET || (cell !== NO_CELL && ((theirs - first) | 0) >= 0)) continue;
      [first, cell] = [theirs, other];
    }
    return cell;
  }
}
