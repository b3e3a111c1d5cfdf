import type { Server } from 'node:net';
import { type LimitedLog, limitedWarning } from '../domain/limited-log.ts';
import type { ConnectionPage, ConnectionQuery } from '../domain/live-connections.ts';
import type { RefusalReason } from '../domain/outcome.ts';
import type {
  GeoResolver,
  ListenAddress,
  Logger,
  MonotonicClock,
  OutcomeSink,
  ThreadReport,
} from '../domain/ports.ts';
import type { Bells } from './bells.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { Counters } from './counters.ts';
import { IpAddress } from './ip-address.ts';
import { abortAll } from './net/abort-all.ts';
import { Admission } from './net/admission.ts';
import { chooseTransport } from './net/choose-transport.ts';
import { DialClock } from './net/dial-clock.ts';
import type { LiveLedger } from './net/live-ledger.ts';
import type { Guest, Handshakes } from './net/guest.ts';
import { LiveList } from './net/live-list.ts';
import { NetListeners } from './net/net-listeners.ts';
import { OutcomeBatch } from './net/outcome-batch.ts';
import { WarmWires, type WarmWiresOptions } from './net/warm-wires.ts';
import type { Transport, Wire } from './net/wire.ts';
import type { EngineLists } from './engine-lists.ts';
import type { EngineNumbers } from './engine-numbers.ts';
import type { ClientEngine } from './joint-engine.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { Reception } from './reception.ts';
import { refusalWarnings } from './refusal-warnings.ts';
import { WaitingLine } from './net/waiting-line.ts';
import { WaitQueue, type WaitQueueMemory } from './wait-queue.ts';
import type { Router } from './router.ts';
import type { RouteTable } from './routes.ts';
import type { Occupants } from './slot-table.ts';
import { sweepIntervalMs } from './timeouts.ts';

export interface NetEngineOptions {
  /** The variable that gives the address, for the error when it cannot be bound. */
  readonly addressSetting: string;
  readonly slots: Occupants;
  readonly limiter: RateLimiter;
  readonly limits: ConnectionLimits;
  readonly queue: WaitQueueMemory;
  readonly router: Router;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  readonly onOutcomes: OutcomeSink;
  /** New clients are routed by this set from now on. */
  readonly onInForce: (setVersion: number) => void;
  /** Read anew each time. */
  readonly numbers: EngineNumbers;
  readonly trusted: readonly string[];
  /** What the pool of warm connections is made of. */
  readonly pool: Pick<WarmWiresOptions, 'shares' | 'counters' | 'shortages' | 'wakeHolders'>;
  /** The number of the thread that it lives in. */
  readonly thread: number;
  /** Of all threads that relay. */
  readonly bells: Bells;
  /** How sockets are reached, given a server that listens; default: by their handles, where that works. */
  readonly transportOf?: (server: Server) => Transport;
  /** Others listen at the same address. */
  readonly sharesPort?: boolean;
  /** Absent in the main thread. */
  readonly ledger?: LiveLedger;
  /** Absent where clients speak as they are. */
  readonly handshakes?: Handshakes;
}

/** What takes clients over that have been accepted, whichever listener they came to. */
interface Intake {
  readonly transport: Transport;
  readonly reception: Reception;
  readonly warm: WarmWires;
}

/**
 * The portable engine: sockets of Node, one thread. Works wherever Node does.
 *
 *     server ─► Reception ─► admit ─► Connection: pick ─► dial ─► relay
 */
export class NetEngine implements ClientEngine {
  readonly #options: NetEngineOptions;
  readonly #dialClock: DialClock;
  readonly #warnLocal: LimitedLog;
  readonly #live: LiveList;
  readonly #line: WaitingLine;
  readonly #stopListening: () => void;
  readonly #listeners = new NetListeners(() => this.#resolveWhenDrained());
  /** Since the first listener. */
  #intake: Intake | undefined;
  readonly #warnRefused: Readonly<Record<RefusalReason, LimitedLog>>;
  readonly #outcomes: OutcomeBatch;
  #checks: NodeJS.Timeout | undefined;
  #isDraining = false;
  readonly #drained = Promise.withResolvers<void>();

  constructor(options: NetEngineOptions) {
    this.#options = options;
    const { logger, now, queue, numbers, router, limits, thread, bells } = options;
    this.#warnRefused = refusalWarnings(logger, now);
    this.#warnLocal = limitedWarning(logger, 'cannot connect, the trouble is local', now);
    this.#outcomes = new OutcomeBatch(options.onOutcomes);
    this.#dialClock = new DialClock(now);
    this.#live = new LiveList(limits, options.ledger);
    this.#line = new WaitingLine(
      new WaitQueue(queue, numbers.queue, thread, (other) => bells.ring(other)),
      now,
    );
    router.onFreed = () => this.#line.stir();
    this.#stopListening = bells.listen(thread, () => {
      this.#line.stir();
      this.#intake?.warm.makeRoomEverywhere();
    });
  }

  get liveConnections(): number {
    return this.#live.size + (this.#intake?.reception.size ?? 0);
  }

  listen(address: ListenAddress): Promise<ListenAddress> {
    const { addressSetting: setting, sharesPort = false } = this.#options;
    return this.#listeners.open({ address, setting, sharesPort }, (server) => this.#acceptFrom(server));
  }

  /** Takes over that the numbers have changed, and other lists; the time that connections have spent counts. */
  reconfigure({ trusted, exempt }: EngineLists, geo: GeoResolver): Promise<void> {
    const { router, limiter } = this.#options;
    router.geo = geo;
    limiter.exempt(exempt);
    this.#intake?.reception.trust(trusted);
    this.#intake?.reception.timeoutChanged();
    this.#dialClock.deadlinesChanged();
    this.#line.boundsChanged();
    this.#intake?.warm.settingsChanged();
    if (this.#checks !== undefined) this.#checkRepeatedly();
    this.#live.recount();
    return Promise.resolve();
  }

  route(table: RouteTable): void {
    const { router, onInForce } = this.#options;
    router.apply(table);
    this.#intake?.warm.routed();
    this.#line.stir();
    queueMicrotask(() => onInForce(table.version));
  }

  cut(incarnation: string): void {
    this.#live.leaveBackend(incarnation);
  }

  connections(query: ConnectionQuery): ConnectionPage {
    return this.#live.page(query);
  }

  threads(): ThreadReport {
    return { alive: 1, deaths: 0 };
  }

  routesTo(incarnation: string): boolean {
    const { slots, router } = this.#options;
    const occupant = slots.of(incarnation);
    return occupant !== undefined && router.routesTo(occupant.slot);
  }

  drain(): Promise<void> {
    this.#isDraining = true;
    this.#intake?.warm.shut();
    this.#listeners.close();
    this.#resolveWhenDrained();
    return this.#drained.promise;
  }

  async close(spreadMs: number): Promise<void> {
    const drained = this.drain();
    this.#listeners.abandon();
    this.#options.counters.clientEnded(this.#intake?.reception.abandon() ?? 0);
    this.#resolveWhenDrained();
    await abortAll(this.#live.all, spreadMs);
    await drained;
    clearInterval(this.#checks);
    this.#dialClock.close();
    this.#line.close();
    this.#stopListening();
  }

  /** Ends every connection at once, with a reset: nothing else works any more. */
  abandon(): void {
    for (const guest of this.#live.all) guest.abort();
  }

  /** Takes clients from now on. */
  #acceptFrom(server: Server): void {
    const { logger, now, counters } = this.#options;
    const warnExhausted = limitedWarning(logger, 'clients cannot be accepted', now);
    server.on('error', (error) => {
      counters.acceptPaused();
      warnExhausted.warn({ error: error.message });
      this.#intake?.warm.yieldDescriptors();
    });
    const { transport, reception } = (this.#intake ??= this.#prepare(server));
    transport.accept(server, (client) => this.#receive(client, reception));
  }

  /** What the first listener brings: how sockets are driven, and who takes their clients over. */
  #prepare(server: Server): Intake {
    const { logger, counters, pool, numbers } = this.#options;
    const transport = this.#options.transportOf?.(server) ?? chooseTransport(server, logger);
    const warm = new WarmWires({
      ...this.#options,
      ...pool,
      settings: numbers.pool,
      transport,
      isCrowded: () => this.#line.mustWait,
    });
    const connectionOptions: ConnectionOptions = {
      ...this.#options,
      timeouts: numbers.timeouts,
      transport,
      warm,
      dialClock: this.#dialClock,
      line: this.#line,
      report: (outcome) => this.#outcomes.add(outcome),
      onLocalTrouble: (backend, error) => this.#warnLocal.warn({ backend, error }),
      onRefused: (reason, client) => this.#refused(reason, client),
      onEnded: (connection) => this.#ended(connection),
    };
    const admission = new Admission({
      ...this.#options,
      live: this.#live,
      connection: connectionOptions,
      refuse: (client, reason, { text }) => {
        // Counted before the client can know.
        this.#refused(reason, text);
        this.#turnAway(client);
      },
      onGone: (guest) => {
        counters.clientEnded();
        this.#ended(guest);
      },
    });
    const reception = new Reception({
      ...this.#options,
      header: numbers.header,
      onClient: (client, address, introduction) => admission.admit(client, address, introduction),
      onRefused: (peer, problem) => {
        counters.clientEnded();
        this.#refused('bad_proxy_header', peer.text, problem);
      },
      onSettled: () => this.#resolveWhenDrained(),
    });
    this.#checkRepeatedly();
    return { transport, reception, warm };
  }

  #receive(client: Wire, reception: Reception): void {
    const { counters } = this.#options;
    const { remoteAddress } = client;
    this.#listeners.received();
    counters.clientAccepted();
    if (remoteAddress === undefined) {
      // It has gone already, and is counted all the same.
      return this.#turnAway(client);
    }
    reception.receive(client, IpAddress.of(remoteAddress));
  }

  /** Closes a client that gets no connection. */
  #turnAway(client: Wire): void {
    this.#options.counters.clientEnded();
    client.close();
  }

  #ended(guest: Guest): void {
    this.#live.ended(guest);
    this.#resolveWhenDrained();
  }

  #resolveWhenDrained(): void {
    if (this.#isDraining && !this.#listeners.isOpen && this.liveConnections === 0) this.#drained.resolve();
  }

  #refused(reason: RefusalReason, client: string, detail?: string): void {
    this.#options.counters.clientRefused(reason);
    this.#options.logger.debug({ client, reason, detail }, 'client refused');
    this.#warnRefused[reason].warn({ reason });
  }

  #checkRepeatedly(): void {
    const { now, numbers } = this.#options;
    clearInterval(this.#checks);
    this.#checks = setInterval(() => this.#live.check(now()), sweepIntervalMs(numbers.timeouts));
  }
}
