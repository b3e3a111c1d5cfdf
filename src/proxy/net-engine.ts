import type { Server } from 'node:net';
import { type LimitedLog, limitedWarning } from '../domain/limited-log.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
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
import type { Introduction } from './awaited-header.ts';
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { type ConnectionLimits, limitRefusalOf } from './connection-limits.ts';
import type { Counters } from './counters.ts';
import type { Directory } from './directory.ts';
import { IpAddress } from './ip-address.ts';
import { abortAll } from './net/abort-all.ts';
import { chooseTransport } from './net/choose-transport.ts';
import { DialClock } from './net/dial-clock.ts';
import { OutcomeBatch } from './net/outcome-batch.ts';
import { ServerSet } from './net/server-set.ts';
import { StreamTransport } from './net/stream-wire.ts';
import { WarmWires, type WarmWiresOptions } from './net/warm-wires.ts';
import type { Transport, Wire } from './net/wire.ts';
import type { EngineLists } from './engine-lists.ts';
import type { EngineNumbers } from './engine-numbers.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { type ClientOrigin, Reception } from './reception.ts';
import { refusalWarnings } from './refusal-warnings.ts';
import { WaitingLines } from './net/waiting-lines.ts';
import { WaitQueue, type WaitQueueMemory } from './wait-queue.ts';
import type { Router } from './router.ts';
import { sweepIntervalMs } from './timeouts.ts';

export interface NetEngineOptions {
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
  /** With where the limits of connections count each. */
  readonly #live = new Map<Connection, number>();
  readonly #lines: WaitingLines;
  readonly #servers: ServerSet;
  /** Since the first listener. */
  #intake: Intake | undefined;
  readonly #warnRefused: Readonly<Record<RefusalReason, LimitedLog>>;
  readonly #outcomes: OutcomeBatch;
  #checks: NodeJS.Timeout | undefined;
  #isDraining = false;
  #received = 0;
  readonly #drained = Promise.withResolvers<void>();

  constructor(options: NetEngineOptions) {
    this.#options = options;
    const { logger, now } = options;
    this.#warnRefused = refusalWarnings(logger, now);
    this.#warnLocal = limitedWarning(logger, 'cannot connect, the trouble is local', now);
    this.#outcomes = new OutcomeBatch(options.onOutcomes);
    this.#dialClock = new DialClock(now);
    const { queue, numbers, router } = options;
    this.#lines = new WaitingLines({
      queueOf: (app) => new WaitQueue(queue, numbers.queue, { thread: 0, app }, () => {}),
      serves: (app, tenancy) => router.serves(app, tenancy),
      now,
    });
    this.#servers = new ServerSet({
      isTooLate: () => this.#isDraining,
      onApp: (app) => router.offer(app),
      onBound: (server, appOf) => this.#acceptFrom(server, appOf),
      received: () => this.#received,
    });
    router.onFreed = () => this.#lines.stir();
  }

  get liveConnections(): number {
    return this.#live.size + (this.#intake?.reception.size ?? 0);
  }

  listen(listeners: readonly ProxyListener[]): Promise<readonly ListenAddress[]> {
    return this.#servers.listen(listeners);
  }

  /** Takes over that the numbers have changed, and other lists; the time that connections have spent counts. */
  reconfigure({ trusted, exempt }: EngineLists, geo: GeoResolver): Promise<void> {
    const { router, limiter, limits } = this.#options;
    router.geo = geo;
    limiter.exempt(exempt);
    this.#intake?.reception.trust(trusted);
    this.#intake?.reception.timeoutChanged();
    this.#dialClock.deadlinesChanged();
    this.#lines.boundsChanged();
    this.#intake?.warm.settingsChanged();
    if (this.#checks !== undefined) this.#checkRepeatedly();
    for (const [connection, counted] of this.#live)
      this.#live.set(connection, limits.count(connection.address.words, counted));
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
    for (const connection of this.#live.keys())
      if (connection.incarnation === incarnation) connection.leaveBackend();
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
    this.#servers.close();
    this.#resolveWhenDrained();
    return this.#drained.promise;
  }

  async close(spreadMs: number): Promise<void> {
    const drained = this.drain();
    this.#options.counters.clientEnded(this.#intake?.reception.abandon() ?? 0);
    this.#resolveWhenDrained();
    await abortAll([...this.#live.keys()], spreadMs);
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
    const reception = new Reception({
      ...this.#options,
      header: numbers.header,
      onClient: (client, origin, introduction) =>
        this.#admit(client, origin, introduction, connectionOptions),
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
    this.#received++;
    counters.clientAccepted();
    if (remoteAddress === undefined) {
      // It has gone already, and is counted all the same.
      return this.#turnAway(client);
    }
    reception.receive(client, { address: IpAddress.of(remoteAddress), app });
  }

  /** Who the client is, is known now: whatever goes by that comes here, before a backend is picked. */
  #admit(
    client: Wire,
    origin: ClientOrigin,
    introduction: Introduction | undefined,
    connectionOptions: ConnectionOptions,
  ): void {
    const { address } = origin;
    if (!this.#options.limiter.admit(address.words)) {
      this.#turnAway(client);
      return this.#refused('rate_limited', address.text);
    }
    const counted = this.#options.limits.enter(address.words);
    if (counted < 0) {
      this.#turnAway(client);
      return this.#refused(limitRefusalOf(counted), address.text);
    }
    const connection = new Connection(client, origin, introduction, connectionOptions);
    this.#live.set(connection, counted);
    connection.begin();
  }

  /** Closes a client that gets no connection. */
  #turnAway(client: Wire): void {
    this.#options.counters.clientEnded();
    client.close();
  }

  #ended(connection: Connection): void {
    this.#options.limits.leave(connection.address.words, this.#live.get(connection) ?? 0);
    this.#live.delete(connection);
    this.#resolveWhenDrained();
  }

  #resolveWhenDrained(): void {
    if (this.#isDraining && this.liveConnections === 0) this.#drained.resolve();
  }

  #refused(reason: RefusalReason, client: string, detail?: string): void {
    this.#options.counters.clientRefused(reason);
    this.#options.logger.debug({ client, reason, detail }, 'client refused');
    this.#warnRefused[reason].warn({ reason });
  }

  #check(): void {
    const nowMs = this.#options.now();
    for (const connection of this.#live.keys()) connection.check(nowMs);
  }

  #checkRepeatedly(): void {
    clearInterval(this.#checks);
    this.#checks = setInterval(() => this.#check(), sweepIntervalMs(this.#options.numbers.timeouts));
  }
}
