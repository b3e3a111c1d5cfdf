import type { ConnectionPage, ConnectionQuery } from '../../domain/live-connections.ts';
import type {
  ListenAddress,
  Logger,
  MonotonicClock,
  ProxyListener,
  ThreadReport,
} from '../../domain/ports.ts';
import { messageOf } from '../../errors.ts';
import type { EngineLists } from '../engine-lists.ts';
import type { ClientEngine } from '../joint-engine.ts';
import { Restarts } from '../restarts.ts';
import type { RouteTable } from '../routes.ts';
import { Agreement } from './agreement.ts';
import { connectionPage } from './connection-list.ts';
import { EngineListeners, type EngineListenersOptions } from './engine-listeners.ts';
import { ListenerDesk } from './listener-desk.ts';
import type { Command, Report } from './messages.ts';
import { DataThread } from './thread-slot.ts';
import { openWakeFds, wakerOf } from './waker.ts';
import { type CountedClient, ThreadHandle, type ThreadHandleOptions } from './thread-handle.ts';
import { reclaim, type ReclaimOptions } from './reclaim.ts';
import { hear, writeLines } from './thread-reports.ts';

export interface EpollEngineOptions
  extends
    ReclaimOptions,
    Pick<EngineListenersOptions, 'apps'>,
    Pick<ThreadHandleOptions, 'sys' | 'mostDescriptors' | 'module' | 'moduleData' | 'settings'> {
  readonly threads: number;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  /** New clients are routed by this set, or a newer one, from now on; by no thread by an older one. */
  readonly onInForce: (setVersion: number) => void;
  /** Whether a success would tell the breaker of an incarnation nothing. */
  readonly isAtEase: (incarnation: string) => boolean;
}

/**
 * The engine of Linux: data threads that run event loops of their own on system calls, told what to do by the main
 * thread, which touches no connection.
 *
 *     main    set ─► directory ─► table ──route──► thread 0 ─ listener, epoll, sockets
 *                                        ──route──► thread 1 ─ listener, epoll, sockets
 *             breakers ◄─ outcomes, in batches ────┘  counters, gates, places, bindings: shared memory
 *
 * A thread that dies is replaced; its connections are reset, its places freed, and clients who knock at its listener
 * are served by another one meanwhile.
 */
export class EpollEngine implements ClientEngine {
  readonly #options: EpollEngineOptions;
  readonly #threads: readonly DataThread[];
  /** The tables that some thread may still route by, and the one that is the newest. */
  #tables: RouteTable[] = [];
  readonly #desk: ListenerDesk;
  readonly #listeners: EngineListeners;
  readonly #allReady = Promise.withResolvers<void>();
  readonly #allDrained = Promise.withResolvers<void>();
  #lists: EngineLists;
  /** On settings. */
  readonly #agreement = new Agreement();
  #isStarted = false;
  #isDraining = false;
  #closing: { readonly spreadMs: number } | undefined;
  readonly #restarts = new Restarts();
  #deaths = 0;
  /** An eventfd for each thread, whichever of that number lives: the number of one that was closed may be another's. */
  readonly #wakeFds: number[];
  /** Has a thread look at what others share with it. */
  readonly wake: (thread: number) => void;
  readonly #haltThreads = (): void => {
    for (const { handle } of this.#threads) handle?.halt();
  };

  private constructor(options: EpollEngineOptions) {
    this.#options = options;
    this.#lists = options.settings.lists;
    this.#threads = Array.from({ length: options.threads }, (_, index) => new DataThread(index));
    this.#wakeFds = openWakeFds(options.sys, options.threads);
    this.wake = wakerOf(options.sys, this.#wakeFds, options.state.bells);
    this.#desk = new ListenerDesk(this.#threads, (fd) => options.sys.close(fd));
    this.#listeners = new EngineListeners(options, this.#desk, () => this.reconfigure(this.#lists));
    // A thread in epoll_wait would keep the process from ending.
    process.on('exit', this.#haltThreads);
    for (const thread of this.#threads) this.#spawn(thread);
  }

  /** Starts the threads; resolves when all of them wait for commands. Rejects with what kept one from starting. */
  static async start(options: EpollEngineOptions): Promise<EpollEngine> {
    const engine = new EpollEngine(options);
    try {
      await engine.#allReady.promise;
    } catch (error) {
      await engine.#stopThreads();
      throw error;
    }
    engine.#isStarted = true;
    return engine;
  }

  get liveConnections(): number {
    const own = this.#options.state.counters.slice(0, this.#threads.length);
    return own.reduce((sum, counters) => sum + counters.total('active'), 0);
  }

  threads(): ThreadReport {
    return { alive: this.#threads.filter(({ isReady }) => isReady).length, deaths: this.#deaths };
  }

  connections(query: ConnectionQuery): ConnectionPage {
    const tables = this.#threads.map(({ handle }) => handle?.table);
    const { directory, apps } = this.#options;
    return connectionPage(tables, { slots: directory.slots, apps }, query);
  }

  listen(listeners: readonly ProxyListener[]): Promise<readonly ListenAddress[]> {
    return this.#listeners.listen(listeners);
  }

  /**
   * Takes over that the shared numbers have changed, and other lists; resolves when every thread goes by all of them.
   * Live connections are not touched, and the time that they have spent counts.
   */
  reconfigure(lists: EngineLists): Promise<void> {
    const { geo, ...others } = lists;
    const news = geo === this.#lists.geo ? others : lists;
    this.#lists = lists;
    const agreed = this.#agreement.next();
    const { version } = this.#agreement;
    for (const thread of this.#threads)
      if (thread.isReady) thread.tell({ type: 'configure', version, lists: news });
    this.#considerConfigured();
    return agreed;
  }

  route(table: RouteTable): void {
    this.#tables.push(table);
    for (const thread of this.#threads) if (thread.isReady) thread.tell({ type: 'route', table });
    this.#considerInForce();
  }

  routesTo(incarnation: string): boolean {
    const occupant = this.#options.directory.slots.of(incarnation);
    return (
      occupant !== undefined && this.#tables.some(({ tenancies }) => tenancies.includes(occupant.tenancy))
    );
  }

  cut(incarnation: string): void {
    const occupant = this.#options.directory.slots.of(incarnation);
    if (occupant === undefined) return;
    for (const thread of this.#threads) thread.tell({ type: 'cut', tenancy: occupant.tenancy });
  }

  drain(): Promise<void> {
    this.#stopAccepting({ type: 'drain' });
    return this.#allDrained.promise;
  }

  async close(spreadMs: number): Promise<void> {
    this.#closing = { spreadMs };
    this.#stopAccepting({ type: 'close', spreadMs });
    await this.#allDrained.promise;
    await this.#stopThreads();
  }

  async #stopThreads(): Promise<void> {
    await Promise.all(this.#threads.flatMap(({ handle }) => handle?.stop() ?? []));
    process.off('exit', this.#haltThreads);
    this.#agreement.reached(Infinity);
    // Taken out first: sets, cuts and a second close may still come.
    for (const fd of this.#wakeFds.splice(0)) this.#options.sys.close(fd);
  }

  #stopAccepting(command: Command): void {
    this.#isDraining = true;
    this.#restarts.cancel();
    this.#desk.retire();
    for (const thread of this.#threads) {
      if (thread.handle === undefined) thread.isDrained = true;
      else thread.tell(command);
    }
    this.#resolveWhenDrained();
  }

  #resolveWhenDrained(): void {
    if (this.#threads.every(({ isDrained }) => isDrained)) this.#allDrained.resolve();
  }

  #spawn(thread: DataThread): void {
    try {
      thread.handle = new ThreadHandle({
        ...this.#options,
        settings: { ...this.#options.settings, lists: this.#lists },
        thread: thread.index,
        wakeFds: this.#wakeFds,
        wake: this.wake,
        onReport: (report) => this.#reported(thread, report),
        onDied: (error, counted) => this.#died(thread, error, counted),
      });
    } catch (error) {
      if (!this.#isStarted) return this.#allReady.reject(error);
      this.#options.logger.error(
        { thread: thread.index, error: messageOf(error) },
        'a data thread does not start',
      );
      this.#restartLater(thread);
    }
  }

  #reported(thread: DataThread, report: Report): void {
    const { directory, logger } = this.#options;
    switch (report.type) {
      case 'ready':
        return this.#becameReady(thread);
      case 'inForce':
        thread.version = report.version;
        return this.#considerInForce();
      case 'configured':
        thread.configured = report.version;
        return this.#considerConfigured();
      case 'outcomes':
        return hear(report.cells, this.#options);
      case 'log':
        return writeLines(report.lines, thread.index, directory.slots, logger);
      case 'released':
        return this.#desk.released(report.listener, thread);
      case 'retired':
        return this.#desk.retired(report.listener, thread);
      case 'closed':
        return this.#desk.closed(thread);
      case 'drained':
        thread.isDrained = true;
        return this.#resolveWhenDrained();
      default:
        return report satisfies never;
    }
  }

  #becameReady(thread: DataThread): void {
    thread.isReady = true;
    thread.readySinceMs = this.#options.now();
    const newest = this.#tables.at(-1);
    const { version } = this.#agreement;
    // It may have changed since the thread was made.
    if (version > 0) thread.tell({ type: 'configure', version, lists: this.#lists });
    if (newest !== undefined) thread.tell({ type: 'route', table: newest });
    if (this.#closing !== undefined) thread.tell({ type: 'close', ...this.#closing });
    else if (this.#isDraining) thread.tell({ type: 'drain' });
    else this.#desk.arrived(thread);
    if (this.#threads.every(({ isReady }) => isReady)) this.#allReady.resolve();
  }

  #died(thread: DataThread, error: unknown, counted: readonly CountedClient[]): void {
    const { logger, state, now } = this.#options;
    thread.died(now());
    if (!this.#isStarted) return this.#allReady.reject(error);
    this.#deaths++;
    const connections = state.counters[thread.index]!.total('active');
    logger.error(
      { thread: thread.index, connections, error: messageOf(error) },
      'data thread has died, its connections are reset',
    );
    reclaim(thread.index, counted, this.#options, this.wake);
    this.#considerInForce();
    this.#considerConfigured();
    this.#desk.left(thread);
    if (this.#isDraining) {
      thread.isDrained = true;
      return this.#resolveWhenDrained();
    }
    this.#restartLater(thread);
  }

  #restartLater(thread: DataThread): void {
    this.#restarts.later(() => this.#spawn(thread), thread.nextRestartMs());
  }

  #considerConfigured(): void {
    const ready = this.#threads.filter(({ isReady }) => isReady);
    this.#agreement.reached(Math.min(...ready.map(({ configured }) => configured)));
  }

  /** Every thread has taken a newer table over: the older ones are history. */
  #considerInForce(): void {
    const ready = this.#threads.filter(({ isReady }) => isReady);
    const oldest = Math.min(...ready.map(({ version }) => version));
    const left = this.#tables.filter(
      ({ version }, index) => version >= oldest || index === this.#tables.length - 1,
    );
    const isAllInForce = left.length === 1 && oldest >= left[0]!.version;
    if (left.length === this.#tables.length && !isAllInForce) return;
    this.#tables = left;
    const version = left[0]!.version;
    queueMicrotask(() => this.#options.onInForce(version));
  }
}
