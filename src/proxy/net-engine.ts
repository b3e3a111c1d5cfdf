import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
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
import { Connection, type ConnectionOptions, KEEP_ALIVE_DELAY_MS } from './connection.ts';
import type { Counters } from './counters.ts';
import type { Directory } from './directory.ts';
import { IpAddress } from './ip-address.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { Router } from './router.ts';

export interface NetEngineOptions {
  readonly address: ListenAddress;
  /** The variable that gives the address, for the error when it cannot be bound. */
  readonly addressSetting: string;
  readonly directory: Directory;
  readonly limiter: RateLimiter | undefined;
  readonly router: Router;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  readonly onOutcomes: OutcomeSink;
  /** New clients are routed by this set from now on. */
  readonly onInForce: (setVersion: number) => void;
  readonly connectTimeoutMs: number;
  readonly connectAttempts: number;
  /** A connection that is silent both ways for this long is closed; 0 is never. */
  readonly idleTimeoutMs: number;
}

const BACKLOG = 4_096;
const IDLE_CHECK_MS = 500;
const CLOSE_STEPS = 10;

/** The portable engine: sockets of `node:net`, one thread. Works wherever Node does. */
export class NetEngine implements ProxyEngine {
  readonly #options: NetEngineOptions;
  readonly #connectionOptions: ConnectionOptions;
  readonly #server: Server;
  readonly #live = new Set<Connection>();
  readonly #warnRefused: Readonly<Record<RefusalReason, LimitedLog>>;
  #outcomes: Outcome[] = [];
  #idleCheck: NodeJS.Timeout | undefined;
  #isDraining = false;
  readonly #drained = Promise.withResolvers<void>();

  constructor(options: NetEngineOptions) {
    this.#options = options;
    const { logger, now } = options;
    const limited = () => limitedWarning(logger, 'clients are refused', now);
    this.#warnRefused = {
      no_backend: limited(),
      all_full: limited(),
      connect_failed: limited(),
      local_error: limited(),
      rate_limited: limited(),
    };
    const warnLocal = limitedWarning(logger, 'cannot connect, the trouble is local', now);
    this.#connectionOptions = {
      ...options,
      slots: options.directory.slots,
      report: (outcome) => this.#report(outcome),
      onLocalTrouble: (backend, error) => warnLocal.warn({ backend, error }),
      onRefused: (reason, client) => this.#refused(reason, client),
    };
    this.#server = createServer(
      {
        allowHalfOpen: true,
        pauseOnConnect: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      },
      (socket) => this.#accept(socket),
    );
  }

  get liveConnections(): number {
    return this.#live.size;
  }

  listen(): Promise<ListenAddress> {
    const { address, addressSetting, logger, now, counters, idleTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(listenError(addressSetting, address, error)));
      this.#server.listen({ ...address, backlog: BACKLOG }, () => {
        this.#server.removeAllListeners('error');
        const warnExhausted = limitedWarning(logger, 'clients cannot be accepted', now);
        this.#server.on('error', (error) => {
          counters.acceptPaused();
          warnExhausted.warn({ error: error.message });
        });
        if (idleTimeoutMs > 0) this.#idleCheck = setInterval(() => this.#closeIdle(), IDLE_CHECK_MS);
        const { address: host, port } = this.#server.address() as AddressInfo;
        resolve({ host, port });
      });
    });
  }

  apply(set: EligibleSet): void {
    const { directory, router, onInForce } = this.#options;
    router.apply(directory.publish(set));
    directory.slots.inForce();
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
    this.#server.close();
    this.#resolveWhenDrained();
    return this.#drained.promise;
  }

  async close(spreadMs: number): Promise<void> {
    const drained = this.drain();
    const victims = [...this.#live];
    const closed = victims.map(async (connection, index) => {
      const step = Math.floor((index * CLOSE_STEPS) / victims.length);
      if (step > 0) await delay((spreadMs * step) / CLOSE_STEPS);
      connection.abort();
    });
    await Promise.all(closed);
    await drained;
    clearInterval(this.#idleCheck);
  }

  #accept(socket: Socket): void {
    // It has gone already, and is counted all the same.
    if (socket.remoteAddress === undefined) return this.#turnAway(socket);
    const address = IpAddress.of(socket.remoteAddress);
    if (this.#options.limiter?.admit(address.words) === false) {
      this.#turnAway(socket);
      return this.#refused('rate_limited', address.text);
    }
    const connection = new Connection(socket, address, this.#connectionOptions, (ended) => {
      this.#live.delete(ended);
      this.#resolveWhenDrained();
    });
    this.#live.add(connection);
  }

  /** Closes a client that gets no connection. */
  #turnAway(socket: Socket): void {
    this.#options.counters.clientAccepted();
    this.#options.counters.clientEnded();
    socket.destroy();
  }

  #resolveWhenDrained(): void {
    if (this.#isDraining && this.#live.size === 0) this.#drained.resolve();
  }

  #refused(reason: RefusalReason, client: string): void {
    this.#options.counters.clientRefused(reason);
    this.#options.logger.debug({ client, reason }, 'client refused');
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

  #closeIdle(): void {
    const quietSinceMs = this.#options.now() - this.#options.idleTimeoutMs;
    for (const connection of this.#live) connection.abortIfQuietSince(quietSinceMs);
  }
}
