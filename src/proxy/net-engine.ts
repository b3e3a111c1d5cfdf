import type { Server } from 'node:net';
import { leadsOf, ServerNames, type ServerNameTable } from '../domain/tls/server-names.ts';
import { type LimitedLog, limitedWarning } from '../domain/limited-log.ts';
import type { ConnectionPage, ConnectionQuery } from '../domain/live-connections.ts';
import type { RefusalReason } from '../domain/outcome.ts';
import type { GeoResolver, ListenAddress, ProxyListener, ThreadReport } from '../domain/ports.ts';
import type { App } from './apps.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { RESERVED } from './epoll/descriptor-limit.ts';
import { IpAddress } from './ip-address.ts';
import { abortAll } from './net/abort-all.ts';
import { Admission } from './net/admission.ts';
import { chooseTransport } from './net/choose-transport.ts';
import { DialClock } from './net/dial-clock.ts';
import type { Guest } from './net/guest.ts';
import { HeldDials } from './net/held-dials.ts';
import { LiveList } from './net/live-list.ts';
import { NetListeners } from './net/net-listeners.ts';
import { OutcomeBatch } from './net/outcome-batch.ts';
import { WarmWires } from './net/warm-wires.ts';
import type { Transport, Wire } from './net/wire.ts';
import type { EngineLists } from './engine-lists.ts';
import type { ClientEngine } from './joint-engine.ts';
import type { NetEngineOptions } from './net-engine-options.ts';
import { Reception } from './reception.ts';
import { refusalWarnings } from './refusal-warnings.ts';
import { WaitingLines } from './net/waiting-lines.ts';
import { WaitQueues } from './wait-queue.ts';
import type { RouteTable } from './routes.ts';
import { sweepIntervalMs } from './timeouts.ts';

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
  readonly #warnExhausted: LimitedLog;
  readonly #live: LiveList;
  readonly #lines: WaitingLines;
  #serverNames!: ServerNames<App>;
  readonly #stopListening: () => void;
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
    const { logger, now, apps, queue, numbers, router, limits, thread, bells, sharesPort = false } = options;
    this.#warnRefused = refusalWarnings(logger, now);
    this.#warnLocal = limitedWarning(logger, 'cannot connect, the trouble is local', now);
    this.#warnExhausted = limitedWarning(logger, 'clients cannot be accepted', now);
    this.#outcomes = new OutcomeBatch(options.onOutcomes);
    this.#dialClock = new DialClock(now);
    this.#serve(options.serverNames);
    this.#live = new LiveList(limits, options.ledger);
    this.#lines = new WaitingLines({
      queues: new WaitQueues(queue, numbers.queue, thread, (other) => bells.ring(other)),
      serves: (app, tenancy) => router.serves(app, tenancy),
      now,
    });
    this.#listeners = new NetListeners({
      apps,
      sharesPort,
      onApp: (app) => router.offer(app),
      onBound: (server, appOf) => this.#acceptFrom(server, appOf),
      onClosed: () => this.#resolveWhenDrained(),
    });
    router.onFreed = () => this.#lines.freed();
    this.#stopListening = bells.listen(thread, () => {
      this.#lines.stir();
      this.#intake?.warm.makeRoomEverywhere();
    });
  }

  get liveConnections(): number {
    return this.#live.size + (this.#intake?.reception.size ?? 0);
  }

  listen(listeners: readonly ProxyListener[]): Promise<readonly ListenAddress[]> {
    return this.#listeners.listen(listeners);
  }

  /** Takes over that the numbers have changed, and other lists; the time that connections have spent counts. */
  reconfigure({ trusted, exempt, serverNames }: EngineLists, geo: GeoResolver): Promise<void> {
    const { router, limiter } = this.#options;
    router.geo = geo;
    this.#serve(serverNames);
    limiter.exempt(exempt);
    this.#intake?.reception.trust(trusted);
    this.#intake?.reception.timeoutChanged();
    this.#dialClock.deadlinesChanged();
    this.#lines.boundsChanged();
    this.#intake?.warm.settingsChanged();
    if (this.#checks !== undefined) this.#checkRepeatedly();
    this.#live.recount();
    return Promise.resolve();
  }

  route(table: RouteTable): void {
    const { router, onInForce } = this.#options;
    router.apply(table);
    this.#intake?.warm.routed();
    this.#lines.stir();
    queueMicrotask(() => onInForce(table.version));
  }

  cut(incarnation: string): void {
    this.#live.leaveBackend(incarnation);
  }

  connections(query: ConnectionQuery): ConnectionPage {
    return this.#live.page(query, this.#options.apps);
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
    // Who had no backend at first, and has got one meanwhile, is another guest since.
    this.abandon();
    await drained;
    clearInterval(this.#checks);
    this.#dialClock.close();
    this.#lines.close();
    this.#stopListening();
  }

  /** Ends every connection at once, with a reset: nothing else works any more. */
  abandon(): void {
    for (const guest of this.#live.all) guest.abort();
  }

  /** Takes clients from now on. */
  #acceptFrom(server: Server, appOf: () => number): void {
    server.on('error', (error) => this.#exhausted(error.message));
    const { transport, reception } = (this.#intake ??= this.#prepare(server));
    transport.accept(server, (client, descriptor) =>
      this.#isReserved(descriptor) ? this.#closeReserved(client) : this.#receive(client, appOf(), reception),
    );
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
      isCrowded: (tenancy) => this.#lines.isCrowdedAt(tenancy),
    });
    const connectionOptions: ConnectionOptions = {
      ...this.#options,
      timeouts: numbers.timeouts,
      transport,
      warm,
      heldDials: new HeldDials(warm),
      dialClock: this.#dialClock,
      lines: this.#lines,
      report: (outcome) => this.#outcomes.add(outcome),
      onLocalTrouble: (backend, error) => this.#warnLocal.warn({ backend, error }),
      onRefused: (reason, client) => this.#refused(reason, client),
      onEnded: (connection) => this.#ended(connection),
    };
    const admission = new Admission({
      ...this.#options,
      live: this.#live,
      connection: connectionOptions,
      hello: numbers.hello,
      serverNames: () => this.#serverNames,
      refuse: (client, reason, { text }, detail) => {
        // Counted before the client can know.
        this.#refused(reason, text, detail);
        this.#turnAway(client);
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

  /** Whether all below are taken that are for clients. Who shakes hands will need one for a backend. */
  #isReserved(descriptor: number): boolean {
    const { numbers, handshakes } = this.#options;
    return descriptor + (handshakes?.underWay ?? 0) >= numbers.descriptors.clientCeiling;
  }

  /** Closes a client whose descriptor is not for clients. */
  #closeReserved(client: Wire): void {
    this.#listeners.received();
    this.#exhausted(RESERVED);
    client.close();
  }

  /** A client cannot be accepted, for want of descriptors or memory. */
  #exhausted(error: string): void {
    this.#options.counters.acceptPaused();
    this.#warnExhausted.warn({ error });
    this.#intake?.warm.yieldDescriptors();
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

  #serve(serverNames: ServerNameTable<App>): void {
    for (const app of leadsOf(serverNames)) this.#options.router.offer(app);
    this.#serverNames = new ServerNames(serverNames);
  }
}
