import { connect, type Socket } from 'node:net';
import { endpointOf } from '../domain/backend.ts';
import type { FailureCause, Outcome, RefusalReason } from '../domain/outcome.ts';
import type { Logger, MonotonicClock } from '../domain/ports.ts';
import { classifyConnectError } from './connect-error.ts';
import type { Counters } from './counters.ts';
import { relay } from './relay.ts';
import type { Place, Router } from './router.ts';

export interface ConnectionOptions {
  readonly router: Router;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  /** Time for one connect; all attempts of a client together get `connectAttempts` times that. */
  readonly connectTimeoutMs: number;
  /** How many distinct backends are tried before the client is refused. */
  readonly connectAttempts: number;
  readonly report: (outcome: Outcome) => void;
  /** A connect failed for a reason that lies with this machine; called once an attempt. */
  readonly onLocalTrouble: (backendId: string, detail: string) => void;
}

/** Ways to say that a connect took too long, in the manner of the system's own errors. */
const TIMEOUT = Object.assign(new Error('connect timed out'), { code: 'ETIMEDOUT' });

/**
 * One client and the backend that serves it.
 *
 *     accepted ─► enter ─► dial ─► connected ─► relay both ways ─► both sockets closed ─► ended
 *                   ▲        │ refused, unreachable, timed out
 *                   └────────┘ (next distinct backend, within attempts and deadline)
 *
 * The client is not read from before a backend has answered, so nothing is lost when a backend fails, and the
 * client sees no byte and no error of a failed attempt. `onEnded` is called once, when everything is released.
 */
export class Connection {
  readonly client: Socket;
  readonly #address: string;
  readonly #options: ConnectionOptions;
  readonly #onEnded: (connection: Connection) => void;
  readonly #tried: Place[] = [];
  readonly #deadlineMs: number;
  #upstream: Socket | undefined;
  #isClientClosed = false;
  #isRelaying = false;
  #isReported = false;
  #lastActivityMs: number;

  /** @param address of the client, IPv4-mapped ones normalised */
  constructor(
    client: Socket,
    address: string,
    options: ConnectionOptions,
    onEnded: (connection: Connection) => void,
  ) {
    this.client = client;
    this.#address = address;
    this.#options = options;
    this.#onEnded = onEnded;
    this.#lastActivityMs = options.now();
    this.#deadlineMs = this.#lastActivityMs + options.connectTimeoutMs * options.connectAttempts;
    client.on('error', (error) => this.#clientFailed(error));
    client.on('close', () => this.#clientClosed());
    options.counters.clientAccepted();
    this.#dial();
  }

  /** Ends both sides at once. */
  destroy(): void {
    this.client.destroy();
    this.#upstream?.destroy();
  }

  /** Ends both sides when no byte has gone through in either direction since then; not while connecting. */
  destroyIfQuietSince(timeMs: number): void {
    if (this.#isRelaying && this.#lastActivityMs <= timeMs) this.destroy();
  }

  #dial(): void {
    const { router, now, connectTimeoutMs } = this.#options;
    const place = router.enter(this.#address, this.#tried);
    if (typeof place === 'string') return this.#refuse(place);
    const { host, port } = place.backend;
    const startedMs = now();
    const upstream = connect({ host, port, allowHalfOpen: true, noDelay: true, keepAlive: true });
    this.#upstream = upstream;
    const timer = setTimeout(
      () => upstream.destroy(TIMEOUT),
      Math.min(connectTimeoutMs, this.#deadlineMs - startedMs),
    );
    let failure: NodeJS.ErrnoException | undefined;
    upstream.once('connect', () => {
      clearTimeout(timer);
      this.#connected(upstream, place, (now() - startedMs) / 1000);
    });
    upstream.on('error', (error) => {
      failure = error;
      if (this.#isRelaying) this.client.resetAndDestroy();
    });
    upstream.once('close', () => {
      clearTimeout(timer);
      this.#upstream = undefined;
      router.leave(place);
      if (this.#isClientClosed) this.#onEnded(this);
      else if (!this.#isRelaying) this.#dialFailed(place, failure);
    });
  }

  #connected(upstream: Socket, place: Place, rttSeconds: number): void {
    const { counters, router, logger } = this.#options;
    const { slot, backend } = place;
    this.#isRelaying = true;
    this.#lastActivityMs = this.#options.now();
    router.connected(this.#address, place);
    counters.connected(slot, rttSeconds);
    logger.debug({ client: this.#address, backend: backend.id, rttSeconds }, 'client connected to backend');
    upstream.once('data', () => this.#report(place, undefined));
    upstream.once('end', () => this.#backendEndedSilently(upstream, place, 'closed_before_first_byte'));
    upstream.once('error', () => this.#backendEndedSilently(upstream, place, 'reset'));
    relay(this.client, upstream, (bytes) => {
      counters.sent(slot, bytes);
      this.#lastActivityMs = this.#options.now();
    });
    relay(upstream, this.client, (bytes) => {
      counters.received(slot, bytes);
      this.#lastActivityMs = this.#options.now();
    });
  }

  /** A backend that takes a request and goes without a byte has failed; one that was asked nothing has not. */
  #backendEndedSilently(upstream: Socket, place: Place, cause: FailureCause): void {
    if (upstream.bytesRead > 0 || this.#isReported) return;
    this.#isReported = true;
    this.#report(place, this.client.bytesRead > 0 ? cause : undefined, 'no byte in return');
  }

  #dialFailed(place: Place, failure: NodeJS.ErrnoException | undefined): void {
    const { onLocalTrouble, connectAttempts, now } = this.#options;
    const cause = classifyConnectError(failure?.code);
    const detail = failure?.message ?? 'closed while connecting';
    const isLocal = cause === 'exhausted' || cause === 'local';
    if (isLocal) onLocalTrouble(place.backend.id, detail);
    else this.#report(place, cause, detail);
    this.#tried.push(place);
    const mayTryAgain =
      cause !== 'exhausted' && this.#tried.length < connectAttempts && now() < this.#deadlineMs;
    return mayTryAgain ? this.#dial() : this.#refuse(isLocal ? 'local_error' : 'connect_failed');
  }

  #report({ slot, backend }: Place, cause: FailureCause | undefined, detail = ''): void {
    const about = { backendId: backend.id, endpoint: endpointOf(backend) };
    if (cause === undefined) return this.#options.report({ ...about, result: 'success' });
    this.#options.counters.errors[slot]!++;
    this.#options.report({ ...about, result: 'failure', cause, detail });
  }

  #refuse(reason: RefusalReason): void {
    const { counters, logger } = this.#options;
    counters.clientRefused(reason);
    logger.debug({ client: this.#address, reason }, 'client refused');
    this.client.destroy();
  }

  #clientFailed(error: Error): void {
    this.#options.logger.debug({ client: this.#address, error: error.message }, 'client connection broke');
    if (this.#isRelaying) this.#upstream?.resetAndDestroy();
  }

  #clientClosed(): void {
    this.#isClientClosed = true;
    this.#options.counters.clientEnded();
    if (this.#upstream === undefined) this.#onEnded(this);
    else if (!this.#isRelaying) this.#upstream.destroy();
  }
}
