import type { ConnectionPage, ConnectionQuery } from '../../domain/live-connections.ts';
import type { ListenAddress, ThreadReport } from '../../domain/ports.ts';
import type { TlsIdentity } from '../../domain/tls.ts';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import type { EngineLists } from '../engine-lists.ts';
import { Agreement } from '../epoll/agreement.ts';
import { reclaim } from '../epoll/reclaim.ts';
import { attend } from '../epoll/thread-reports.ts';
import type { RoutingEngine } from '../joint-engine.ts';
import { type LiveLedgerMemory, newLiveLedgerMemory, takeLiveRows } from '../net/live-ledger.ts';
import { claimAddress } from '../net/claim-address.ts';
import { Restarts } from '../restarts.ts';
import type { RouteTable } from '../routes.ts';
import { ThreadSlot } from '../thread-slot.ts';
import { HandshakeCounters } from './handshake-counters.ts';
import { liveRowsPage } from './live-rows-page.ts';
import type { TlsCommand, TlsReport } from './messages.ts';
import { newcomerOf } from './roster.ts';
import { TableFollowers } from './table-followers.ts';
import type { TlsEngineOptions } from './tls-engine-options.ts';
import { TlsWorker } from './tls-worker.ts';

type Slot = ThreadSlot<TlsWorker>;

/**
 * The TLS listener: threads that shake hands and relay, each with a listener of its own on the same port, told what
 * to do by the main thread, which touches no connection.
 *
 *     table, settings, identity ──► thread: accept ─► admit ─► handshake ─► pick ─► dial ─► relay
 *     breakers ◄─ outcomes, in batches ──┘  counters, gates, places, bindings: shared memory
 *
 * A thread that dies is replaced; its connections are reset and its places freed.
 */
export class TlsEngine implements RoutingEngine {
  readonly #options: TlsEngineOptions;
  readonly #threads: readonly Slot[];
  readonly #ledgers: readonly LiveLedgerMemory[];
  readonly #tables: TableFollowers;
  #lists: EngineLists;
  #identity: TlsIdentity;
  /** On settings and identities. */
  readonly #agreement = new Agreement();
  #address: ListenAddress | undefined;
  readonly #allReady = Promise.withResolvers<void>();
  readonly #allListen = Promise.withResolvers<void>();
  readonly #allDrained = Promise.withResolvers<void>();
  readonly #listening = new Set<Slot>();
  #isStarted = false;
  /** What threads are told since nobody is to be accepted any more. */
  #ending: TlsCommand | undefined;
  readonly #restarts = new Restarts();
  #deaths = 0;

  private constructor(options: TlsEngineOptions) {
    this.#options = options;
    this.#lists = options.settings.lists;
    this.#identity = options.settings.identity;
    this.#threads = Array.from({ length: options.threads }, (_, index) => new ThreadSlot<TlsWorker>(index));
    this.#ledgers = this.#threads.map(() => newLiveLedgerMemory());
    this.#tables = new TableFollowers(this.#threads, options.onInForce);
    for (const thread of this.#threads) this.#spawn(thread);
  }

  /** Starts the threads; resolves when all of them wait for commands. Rejects with what kept one from starting. */
  static async start(options: TlsEngineOptions): Promise<TlsEngine> {
    const engine = new TlsEngine(options);
    try {
      await engine.#allReady.promise;
    } catch (error) {
      await engine.#stopThreads();
      throw error;
    }
    engine.#isStarted = true;
    return engine;
  }

  get #ready(): readonly Slot[] {
    return this.#threads.filter(({ isReady }) => isReady);
  }

  get liveConnections(): number {
    const { state, firstThread } = this.#options;
    const own = state.counters.slice(firstThread, firstThread + this.#threads.length);
    return own.reduce((sum, counters) => sum + counters.total('active'), 0);
  }

  threads(): ThreadReport {
    return { alive: this.#ready.length, deaths: this.#deaths };
  }

  /** Binds the listeners; resolves with the bound address. Fails with `ERR_LISTEN`. */
  async listen(address: ListenAddress): Promise<ListenAddress> {
    this.#address = await claimAddress(address, this.#options.settings.addressSetting);
    this.#tell({ type: 'listen', address: this.#address });
    await this.#allListen.promise;
    return this.#address;
  }

  /** Takes over that numbers and lists have changed; resolves when every thread goes by them. */
  reconfigure(lists: EngineLists): Promise<void> {
    this.#lists = lists;
    return this.#agree((version) => ({ type: 'configure', version, lists }));
  }

  /**
   * Shows this to clients from now on; resolves when every thread does. Whoever shakes hands meanwhile, and live
   * connections, go on as they began.
   */
  present(identity: TlsIdentity): Promise<void> {
    this.#identity = identity;
    return this.#agree((version) => ({ type: 'present', version, identity }));
  }

  route(table: RouteTable): void {
    const newcomers = this.#options.directory.newcomers.map(newcomerOf);
    this.#tell({ type: 'route', table, newcomers });
    this.#tables.told(table);
  }

  routesTo(incarnation: string): boolean {
    const occupant = this.#options.directory.slots.of(incarnation);
    return occupant !== undefined && this.#tables.mayRouteTo(occupant.tenancy);
  }

  /** Clients are shown as they were at most half a second ago. */
  connections(query: ConnectionQuery): ConnectionPage {
    const { directory, apps } = this.#options;
    return liveRowsPage(this.#ledgers, { slots: directory.slots, apps }, query);
  }

  cut(incarnation: string): void {
    this.#tell({ type: 'cut', incarnation });
  }

  drain(): Promise<void> {
    return this.#end({ type: 'drain' });
  }

  async close(spreadMs: number): Promise<void> {
    await this.#end({ type: 'close', spreadMs });
    await this.#stopThreads();
  }

  #end(command: TlsCommand): Promise<void> {
    this.#ending = command;
    this.#options.onDraining();
    this.#restarts.cancel();
    for (const thread of this.#threads) {
      if (thread.handle === undefined) thread.isDrained = true;
      else thread.handle.tell(command);
    }
    this.#resolveWhenDrained();
    return this.#allDrained.promise;
  }

  /** Those that are not ready yet hear of it when they are. */
  #tell(command: TlsCommand): void {
    for (const { handle } of this.#ready) handle?.tell(command);
  }

  async #stopThreads(): Promise<void> {
    await Promise.all(this.#threads.flatMap(({ handle }) => handle?.stop() ?? []));
    this.#agreement.reached(Infinity);
  }

  #agree(commandOf: (version: number) => TlsCommand): Promise<void> {
    const agreed = this.#agreement.next();
    this.#tell(commandOf(this.#agreement.version));
    this.#considerAgreed();
    return agreed;
  }

  #spawn(thread: Slot): void {
    const { module, settings, firstThread, threads, logger } = this.#options;
    try {
      thread.handle = new TlsWorker({
        module,
        settings: {
          ...settings,
          lists: this.#lists,
          identity: this.#identity,
          thread: firstThread + thread.index,
          tlsThread: thread.index,
          sharesPort: threads > 1,
          ledger: this.#ledgers[thread.index]!,
        },
        onReport: (report) => this.#reported(thread, report),
        onDied: (error) => this.#died(thread, error),
      });
    } catch (error) {
      if (!this.#isStarted) return this.#allReady.reject(error);
      const number = firstThread + thread.index;
      logger.error({ thread: number, error: messageOf(error) }, 'a TLS thread does not start');
      this.#restartLater(thread);
    }
  }

  #reported(thread: Slot, report: TlsReport): void {
    const { logger, firstThread, directory, state, onOutcomes, isAtEase } = this.#options;
    switch (report.type) {
      case 'ready':
        return this.#becameReady(thread);
      case 'listening':
        this.#listening.add(thread);
        if (this.#listening.size === this.#threads.length) this.#allListen.resolve();
        return;
      case 'deaf':
        return this.#isDeaf(thread, report.problem);
      case 'inForce':
        thread.version = report.version;
        return this.#tables.consider();
      case 'agreed':
        thread.configured = report.version;
        return this.#considerAgreed();
      case 'outcomes':
        onOutcomes(report.outcomes);
        return attend(report.outcomes, directory.slots, state.attention, isAtEase);
      case 'log': {
        const { level, fields, message } = report.line;
        return logger[level]({ ...fields, thread: firstThread + thread.index }, message);
      }
      case 'drained':
        thread.isDrained = true;
        return this.#resolveWhenDrained();
      default:
        return report satisfies never;
    }
  }

  #becameReady(thread: Slot): void {
    const { directory, now } = this.#options;
    const tell = (command: TlsCommand): void => thread.handle?.tell(command);
    thread.isReady = true;
    thread.readySinceMs = now();
    const { version } = this.#agreement;
    // It may have changed since the thread was made.
    if (version > 0) {
      tell({ type: 'present', version, identity: this.#identity });
      tell({ type: 'configure', version, lists: this.#lists });
    }
    const newcomers = directory.slots.occupants().map(newcomerOf);
    const { newest } = this.#tables;
    if (newest !== undefined) tell({ type: 'route', table: newest, newcomers });
    if (this.#ending !== undefined) tell(this.#ending);
    else if (this.#address !== undefined) tell({ type: 'listen', address: this.#address });
    if (this.#threads.every(({ isReady }) => isReady)) this.#allReady.resolve();
  }

  /** A thread cannot listen: the first time nobody is to, later another one tries. */
  #isDeaf(thread: Slot, problem: string): void {
    if (this.#listening.size < this.#threads.length)
      return this.#allListen.reject(
        new EdgeProxyError('ERR_LISTEN', problem, { setting: this.#options.settings.addressSetting }),
      );
    this.#options.logger.error({ thread: thread.index, error: problem }, 'a TLS thread cannot listen');
    void thread.handle?.stop();
    thread.died(this.#options.now());
    this.#hasGone(thread);
  }

  #died(thread: Slot, error: unknown): void {
    const { logger, state, now, firstThread } = this.#options;
    thread.died(now());
    if (!this.#isStarted) return this.#allReady.reject(error);
    this.#deaths++;
    const number = firstThread + thread.index;
    const connections = state.counters[number]!.total('active');
    logger.error(
      { thread: number, connections, error: messageOf(error) },
      'TLS thread has died, its connections are reset',
    );
    reclaim(number, takeLiveRows(this.#ledgers[thread.index]!), this.#options, (other) =>
      state.bells.ring(other),
    );
    new HandshakeCounters(this.#options.settings.handshakes, thread.index).threadDied();
    this.#hasGone(thread);
  }

  /** Nobody waits for it any more; another one takes its place, unless nobody is accepted. */
  #hasGone(thread: Slot): void {
    this.#tables.consider();
    this.#considerAgreed();
    if (this.#ending === undefined) return this.#restartLater(thread);
    thread.isDrained = true;
    this.#resolveWhenDrained();
  }

  #restartLater(thread: Slot): void {
    this.#restarts.later(() => this.#spawn(thread), thread.nextRestartMs());
  }

  #resolveWhenDrained(): void {
    if (this.#threads.every((thread) => thread.isDrained)) this.#allDrained.resolve();
  }

  #considerAgreed(): void {
    this.#agreement.reached(Math.min(...this.#ready.map(({ configured }) => configured)));
  }
}
