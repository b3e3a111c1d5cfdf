import type { Server } from 'node:net';
import { leadsOf, ServerNames, type ServerNameTable } from '../domain/tls/server-names.ts';
import { type LimitedLog, limitedWarning } from '../domain/limited-log.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
import type { ConnectionPage, ConnectionQuery } from '../domain/live-connections.ts';
import type { RefusalReason } from '../domain/outcome.ts';
import type {
  GeoResolver,
  ListenAddress,
  Logger,
  MonotonicClock,
  OutcomeSink,
  ProxyEngine,
  ProxyListener,
  ThreadReport,
} from '../domain/ports.ts';
import type { App, Apps } from './apps.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { Counters } from './counters.ts';
import type { Directory } from './directory.ts';
import { IpAddress } from './ip-address.ts';
import { abortAll } from './net/abort-all.ts';
import { Admission } from './net/admission.ts';
import { chooseTransport } from './net/choose-transport.ts';
import { DialClock } from './net/dial-clock.ts';
import type { Guest } from './net/guest.ts';
import { LiveList } from './net/live-list.ts';
import { NetListeners } from './net/net-listeners.ts';
import { OutcomeBatch } from './net/outcome-batch.ts';
import { StreamTransport } from './net/stream-wire.ts';
import { WarmWires, type WarmWiresOptions } from './net/warm-wires.ts';
import type { Transport, Wire } from './net/wire.ts';
import type { EngineLists } from './engine-lists.ts';
import type { EngineNumbers } from './engine-numbers.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { Reception } from './reception.ts';
import { refusalWarnings } from './refusal-warnings.ts';
import { WaitingLines } from './net/waiting-lines.ts';
import { WaitQueue, type WaitQueueMemory } from './wait-queue.ts';
import type { Router } from './router.ts';
import { sweepIntervalMs } from './timeouts.ts';

export interface NetEngineOptions {
  readonly apps: Apps;
  /** Whose backends clients are given whose TLS greeting says it. */
  readonly serverNames: ServerNameTable<App>;
  readonly directory: Directory;
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
  readonly pool: Pick<WarmWiresOptions, 'shares' | 'counters'>;
  /** Uses sockets by their public API alone, even where there is a faster way. */
  readonly usesStreams?: boolean;
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
export class NetEngine implements ProxyEngine {
  readonly #options: NetEngineOptions;
  readonly #dialClock: DialClock;
  readonly #warnLocal: LimitedLog;
  readonly #live = new LiveList();
  #serverNames!: ServerNames<App>;
  readonly #lines: WaitingLines;
  readonly #listeners: NetListeners;
  /** Since the first listener. */
  #intake: Intake | undefined;
  readonly #warnRefused: Readonly<Record<RefusalReason, LimitedLog>>;
  readonly #outcomes: OutcomeBatch;
  #checks: NodeJS.Timeout | undefined;
  #isDraining = false;
  readonly #drained = Promise.withResolvers<void>();

  constructor(options: NetEngineOptions) {
    this.#options = options;
    const { logger, now } = options;
    this.#warnRefused = refusalWarnings(logger, now);
    this.#warnLocal = limitedWarning(logger, 'cannot connect, the trouble is local', now);
    this.#outcomes = new OutcomeBatch(options.onOutcomes);
    this.#dialClock = new DialClock(now);
    const { queue, numbers, router } = options;
    this.#serve(options.serverNames);
    this.#lines = new WaitingLines({
      queueOf: (app) => new WaitQueue(queue, numbers.queue, { thread: 0, app }, () => {}),
      serves: (app, tenancy) => router.serves(app, tenancy),
      now,
    });
    this.#listeners = new NetListeners({
      apps: options.apps,
      onApp: (app) => router.offer(app),
      onBound: (server, appOf) => this.#acceptFrom(server, appOf),
      onClosed: () => this.#resolveWhenDrained(),
    });
    router.onFreed = () => this.#lines.stir();
  }

  get liveConnections(): number {
    return this.#live.size + (this.#intake?.reception.size ?? 0);
  }

  listen(listeners: readonly ProxyListener[]): Promise<readonly ListenAddress[]> {
    return this.#listeners.listen(listeners);
  }

  /** Takes over that the numbers have changed, and other lists; the time that connections have spent counts. */
  reconfigure({ trusted, exempt, serverNames }: EngineLists, geo: GeoResolver): Promise<void> {
    const { router, limiter, limits } = this.#options;
    router.geo = geo;
    this.#serve(serverNames);
    limiter.exempt(exempt);
    this.#intake?.reception.trust(trusted);
    this.#intake?.reception.timeoutChanged();
    this.#dialClock.deadlinesChanged();
    this.#lines.boundsChanged();
    this.#intake?.warm.settingsChanged();
    if (this.#checks !== undefined) this.#checkRepeatedly();
    this.#live.count(({ address }, counted) => limits.count(address.words, counted));
    return Promise.resolve();
  }

  apply(set: EligibleSet): void {
    const { directory, router, onInForce } = this.#options;
    router.apply(directory.publish(set));
    this.#intake?.warm.routed();
    directory.slots.inForce();
    this.#lines.stir();
    queueMicrotask(() => onInForce(set.version));
  }

  cut(incarnation: string): void {
    for (const guest of this.#live.guests())
      if (guest.place?.occupant.incarnation === incarnation) guest.leaveBackend();
  }

  connections(query: ConnectionQuery): ConnectionPage {
    return this.#live.page(query);
  }

  threads(): ThreadReport {
    return { alive: 1, deaths: 0 };
  }

  routesTo(incarnation: string): boolean {
    const { directory, router } = this.#options;
    const occupant = directory.slots.of(incarnation);
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
    await abortAll([...this.#live.guests()], spreadMs);
    await drained;
    clearInterval(this.#checks);
    this.#dialClock.close();
    this.#lines.close();
  }

  /** Takes clients from now on. */
  #acceptFrom(server: Server, appOf: () => number): void {
    const { logger, now, counters } = this.#options;
    const warnExhausted = limitedWarning(logger, 'clients cannot be accepted', now);
    server.on('error', (error) => {
      counters.acceptPaused();
      warnExhausted.warn({ error: error.message });
      this.#intake?.warm.yieldDescriptors();
    });
    const { transport, reception } = (this.#intake ??= this.#prepare(server));
    transport.accept(server, (client) => this.#receive(client, appOf(), reception));
  }

  /** What the first listener brings: how sockets are driven, and who takes their clients over. */
  #prepare(server: Server): Intake {
    const { logger, counters, usesStreams, pool, numbers } = this.#options;
    const transport = usesStreams ? new StreamTransport() : chooseTransport(server, logger);
    const { slots } = this.#options.directory;
    const warm = new WarmWires({
      ...this.#options,
      ...pool,
      settings: numbers.pool,
      transport,
      slots,
      isCrowded: (tenancy) => this.#lines.isCrowdedAt(tenancy),
    });
    const connectionOptions: ConnectionOptions = {
      ...this.#options,
      timeouts: numbers.timeouts,
      slots,
      transport,
      warm,
      dialClock: this.#dialClock,
      lines: this.#lines,
      report: (outcome) => this.#outcomes.add(outcome),
      onLocalTrouble: (backend, error) => this.#warnLocal.warn({ backend, error }),
      onRefused: (reason, client) => this.#refused(reason, client),
      onEnded: (connection) => this.#ended(connection),
    };
    const { limiter, limits } = this.#options;
    const admission = new Admission({
      limiter,
      limits,
      live: this.#live,
      connection: connectionOptions,
      hello: numbers.hello,
      serverNames: () => this.#serverNames,
      refuse: (client, reason, { text }, detail) => {
        this.#turnAway(client);
        this.#refused(reason, text, detail);
      },
      onEnded: (guest) => this.#ended(guest),
    });
    const reception = new Reception({
      ...this.#options,
      header: numbers.header,
      onClient: (client, origin, introduction) => admission.admit(client, origin, introduction),
      onRefused: (peer, problem) => {
        counters.clientEnded();
        this.#refused('bad_proxy_header', peer.text, problem);
      },
      onSettled: () => this.#resolveWhenDrained(),
    });
    this.#checkRepeatedly();
    return { transport, reception, warm };
  }

  #receive(client: Wire, app: number, reception: Reception): void {
    const { counters } = this.#options;
    const { remoteAddress } = client;
    this.#listeners.received();
    counters.clientAccepted();
    // It has gone already, and is counted all the same.
    if (remoteAddress === undefined) return this.#turnAway(client);
    reception.receive(client, { address: IpAddress.of(remoteAddress), app });
  }

  /** Closes a client that gets no connection. */
  #turnAway(client: Wire): void {
    this.#options.counters.clientEnded();
    client.close();
  }

  #ended(guest: Guest): void {
    this.#options.limits.leave(guest.address.words, this.#live.remove(guest));
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

  #serve(serverNames: ServerNameTable<App>): void {
    for (const app of leadsOf(serverNames)) this.#options.router.offer(app);
    this.#serverNames = new ServerNames(serverNames);
  }
}
