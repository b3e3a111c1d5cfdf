import { createServer, type AddressInfo, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type LimitedLog, limitedWarning } from '../domain/limited-log.ts';
import { listenError } from '../domain/listen-error.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
import type { Outcome, RefusalReason } from '../domain/outcome.ts';
import type {
  ListenAddress,
  Logger,
  MonotonicClock,
  OutcomeSink,
  ProxyEngine,
  ThreadReport,
} from '../domain/ports.ts';
import type { Introduction } from './awaited-header.ts';
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { Counters } from './counters.ts';
import type { Directory } from './directory.ts';
import { IpAddress } from './ip-address.ts';
import { chooseTransport } from './net/choose-transport.ts';
import { DialClock } from './net/dial-clock.ts';
import { StreamTransport } from './net/stream-wire.ts';
import { WarmWires, type WarmWiresOptions } from './net/warm-wires.ts';
import type { Wire } from './net/wire.ts';
import type { ProxyHeaderSettings } from './proxy-header-settings.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { Reception } from './reception.ts';
import { refusalWarnings } from './refusal-warnings.ts';
import { WaitingLine } from './net/waiting-line.ts';
import { WaitQueue, type WaitQueueMemory } from './wait-queue.ts';
import type { Router } from './router.ts';
import { sweepIntervalMs, type Timeouts } from './timeouts.ts';

export interface NetEngineOptions {
  readonly address: ListenAddress;
  /** The variable that gives the address, for the error when it cannot be bound. */
  readonly addressSetting: string;
  readonly directory: Directory;
  readonly limiter: RateLimiter | undefined;
  readonly limits: ConnectionLimits | undefined;
  readonly queue: WaitQueueMemory | undefined;
  readonly router: Router;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  readonly onOutcomes: OutcomeSink;
  /** New clients are routed by this set from now on. */
  readonly onInForce: (setVersion: number) => void;
  readonly timeouts: Timeouts;
  readonly proxyHeaders: ProxyHeaderSettings;
  /** What the pool of warm connections is made of, where there is one. */
  readonly pool: Pick<WarmWiresOptions, 'settings' | 'shares' | 'counters'> | undefined;
  /** Uses sockets by their public API alone, even where there is a faster way. */
  readonly usesStreams?: boolean;
}

const BACKLOG = 4_096;
const CLOSE_STEPS = 10;

/**
 * The portable engine: sockets of Node, one thread. Works wherever Node does.
 *
 *     server ─► Reception ─► admit ─► Connection: pick ─► dial ─► relay
 */
export class NetEngine implements ProxyEngine {
  readonly #options: NetEngineOptions;
  readonly #dialClock: DialClock;
  readonly #warnLocal: LimitedLog;
  readonly #server: Server;
  readonly #live = new Set<Connection>();
  readonly #line: WaitingLine | undefined;
  #reception: Reception | undefined;
  #warm: WarmWires | undefined;
  readonly #warnRefused: Readonly<Record<RefusalReason, LimitedLog>>;
  #outcomes: Outcome[] = [];
  #checks: NodeJS.Timeout | undefined;
  #isDraining = false;
  readonly #drained = Promise.withResolvers<void>();

  constructor(options: NetEngineOptions) {
    this.#options = options;
    const { logger, now } = options;
    this.#warnRefused = refusalWarnings(logger, now);
    this.#warnLocal = limitedWarning(logger, 'cannot connect, the trouble is local', now);
    this.#dialClock = new DialClock(now);
    const { queue, router } = options;
    this.#line = queue && new WaitingLine(new WaitQueue(queue, 0, () => {}), now);
    router.onFreed = () => this.#line?.stir();
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  }

  get liveConnections(): number {
    return this.#live.size + (this.#reception?.size ?? 0);
  }

  listen(): Promise<ListenAddress> {
    const { address, addressSetting } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(listenError(addressSetting, address, error)));
      this.#server.listen({ ...address, backlog: BACKLOG }, () => {
        this.#server.removeAllListeners('error');
        this.#accept();
        const { address: host, port } = this.#server.address() as AddressInfo;
        resolve({ host, port });
      });
    });
  }

  apply(set: EligibleSet): void {
    const { directory, router, onInForce } = this.#options;
    router.apply(directory.publish(set));
    this.#warm?.routed();
    directory.slots.inForce();
    this.#line?.stir();
    queueMicrotask(() => onInForce(set.version));
  }

  cut(incarnation: string): void {
    for (const connection of this.#live)
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
    this.#warm?.shut();
    this.#server.close();
    this.#resolveWhenDrained();
    return this.#drained.promise;
  }

  async close(spreadMs: number): Promise<void> {
    const drained = this.drain();
    this.#options.counters.clientEnded(this.#reception?.abandon() ?? 0);
    this.#resolveWhenDrained();
    const victims = [...this.#live];
    const closed = victims.map(async (connection, index) => {
      const step = Math.floor((index * CLOSE_STEPS) / victims.length);
      if (step > 0) await delay((spreadMs * step) / CLOSE_STEPS);
      connection.abort();
    });
    await Promise.all(closed);
    await drained;
    clearInterval(this.#checks);
    this.#dialClock.close();
    this.#line?.close();
  }

  /** Takes clients from now on. */
  #accept(): void {
    const { logger, now, counters, usesStreams, pool } = this.#options;
    const warnExhausted = limitedWarning(logger, 'clients cannot be accepted', now);
    this.#server.on('error', (error) => {
      counters.acceptPaused();
      warnExhausted.warn({ error: error.message });
      this.#warm?.yieldDescriptors();
    });
    const transport = usesStreams ? new StreamTransport() : chooseTransport(this.#server, logger);
    const { slots } = this.#options.directory;
    this.#warm = pool && new WarmWires({ ...this.#options, ...pool, transport, slots });
    const connectionOptions: ConnectionOptions = {
      ...this.#options,
      slots,
      transport,
      warm: this.#warm,
      dialClock: this.#dialClock,
      line: this.#line,
      report: (outcome) => this.#report(outcome),
      onLocalTrouble: (backend, error) => this.#warnLocal.warn({ backend, error }),
      onRefused: (reason, client) => this.#refused(reason, client),
      onEnded: (connection) => {
        this.#live.delete(connection);
        this.#options.limits?.leave(connection.address.words);
        this.#resolveWhenDrained();
      },
    };
    const reception = new Reception({
      ...this.#options.proxyHeaders,
      onClient: (client, address, introduction) =>
        this.#admit(client, address, introduction, connectionOptions),
      onRefused: (peer, problem) => {
        counters.clientEnded();
        this.#refused('bad_proxy_header', peer.text, problem);
      },
      onSettled: () => this.#resolveWhenDrained(),
    });
    this.#reception = reception;
    transport.accept(this.#server, (client) => this.#receive(client, reception));
    this.#checks = setInterval(() => this.#check(), sweepIntervalMs(this.#options.timeouts));
  }

  #receive(client: Wire, reception: Reception): void {
    const { counters } = this.#options;
    const { remoteAddress } = client;
    counters.clientAccepted();
    if (remoteAddress === undefined) {
      // It has gone already, and is counted all the same.
      return this.#turnAway(client);
    }
    reception.receive(client, IpAddress.of(remoteAddress));
  }

  /** Who the client is, is known now: whatever goes by that comes here, before a backend is picked. */
  #admit(
    client: Wire,
    address: IpAddress,
    introduction: Introduction | undefined,
    connectionOptions: ConnectionOptions,
  ): void {
    if (this.#options.limiter?.admit(address.words) === false) {
      this.#turnAway(client);
      return this.#refused('rate_limited', address.text);
    }
    const refusal = this.#options.limits?.enter(address.words);
    if (refusal !== undefined) {
      this.#turnAway(client);
      return this.#refused(refusal, address.text);
    }
    const connection = new Connection(client, address, introduction, connectionOptions);
    this.#live.add(connection);
    connection.begin();
  }

  /** Closes a client that gets no connection. */
  #turnAway(client: Wire): void {
    this.#options.counters.clientEnded();
    client.close();
  }

  #resolveWhenDrained(): void {
    if (this.#isDraining && this.liveConnections === 0) this.#drained.resolve();
  }

  #refused(reason: RefusalReason, client: string, detail?: string): void {
    this.#options.counters.clientRefused(reason);
    this.#options.logger.debug({ client, reason, detail }, 'client refused');
    this.#warnRefused[reason].warn({ reason });
  }

  #report(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    if (this.#outcomes.length > 1) return;
    setImmediate(() => {
      const batch = this.#outcomes;
      this.#outcomes = [];
      this.#options.onOutcomes(batch);
    });
  }

  #check(): void {
    const nowMs = this.#options.now();
    for (const connection of this.#live) connection.check(nowMs);
  }
}
