import { connect, type Socket } from 'node:net';
import type { FailureCause, Outcome, RefusalReason } from '../domain/outcome.ts';
import type { Logger, MonotonicClock } from '../domain/ports.ts';
import { classifyConnectError } from './connect-error.ts';
import type { Counters } from './counters.ts';
import { NO_PERMIT } from './gates.ts';
import type { IpAddress } from './ip-address.ts';
import { relay } from './relay.ts';
import { reset } from './reset.ts';
import { refusalOf, type Router } from './router.ts';
import type { Occupant, SlotTable } from './slot-table.ts';

export interface ConnectionOptions {
  readonly router: Router;
  readonly slots: SlotTable;
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
  readonly onRefused: (reason: RefusalReason, client: string) => void;
}

/** A reserved place at a backend; given back exactly once. */
interface Place extends Occupant {
  /** Of the backend's breaker, when the place was taken; goes with every outcome. */
  readonly epoch: number;
  /** Held while the breaker is half-open, until it is settled. */
  permit: number;
}

/** A connect took too long, in the manner of the system's own errors. */
const TIMEOUT = Object.assign(new Error('connect timed out'), { code: 'ETIMEDOUT' });

/** The backend is to be left; it has done nothing wrong. */
const ABANDONED = new Error('the backend is to take no connection any more');

/** Longer than any pause of a live peer that answers, shorter than the system's two hours. */
export const KEEP_ALIVE_DELAY_MS = 60_000;

/**
 * One client and the backend that serves it.
 *
 *     accepted ─► enter ─► dialling ─► relaying ─► both sockets closed ─► ended
 *                   ▲         │ refused, unreachable, timed out, abandoned
 *                   └─────────┘ (next distinct backend, within attempts and deadline)
 *
 * The client is not read from before a backend has answered, so nothing is lost when a backend fails, and the
 * client sees no byte and no error of a failed attempt. `onEnded` is called once, when everything is released.
 */
export class Connection {
  readonly client: Socket;
  readonly #address: IpAddress;
  readonly #options: ConnectionOptions;
  readonly #onEnded: (connection: Connection) => void;
  /** Slots of the backends that have failed this client. */
  readonly #tried: number[] = [];
  readonly #deadlineMs: number;
  #upstream: Socket | undefined;
  #place: Place | undefined;
  /** `ending`: nothing new is begun, and what the backend does now says nothing about it. */
  #phase: 'dialling' | 'relaying' | 'ending' = 'dialling';
  #isClientClosed = false;
  #isReported = false;
  #lastActivityMs: number;

  constructor(
    client: Socket,
    address: IpAddress,
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

  /** The incarnation of the backend that it holds a place at. */
  get incarnation(): string | undefined {
    return this.#place?.incarnation;
  }

  /** Ends both sides at once, with a reset where bytes may have gone through. */
  abort(): void {
    const wasRelaying = this.#phase === 'relaying';
    this.#phase = 'ending';
    for (const socket of [this.client, this.#upstream]) {
      if (socket !== undefined && wasRelaying) reset(socket);
      else socket?.destroy();
    }
  }

  /** Leaves its backend: a client that is not connected yet gets another one, one that is connected is cut off. */
  leaveBackend(): void {
    if (this.#phase === 'dialling') this.#upstream?.destroy(ABANDONED);
    else this.abort();
  }

  /** Aborts when no byte has gone through in either direction since then; not while dialling. */
  abortIfQuietSince(timeMs: number): void {
    if (this.#phase === 'relaying' && this.#lastActivityMs <= timeMs) this.abort();
  }

  #dial(): void {
    const { router, slots, now, connectTimeoutMs } = this.#options;
    const slot = router.enter(this.#address, this.#tried);
    if (slot < 0) return this.#refuse(refusalOf(slot));
    const { epoch, permit } = router;
    const place: Place = { ...slots.at(slot)!, epoch, permit };
    if (permit !== NO_PERMIT) this.#options.report({ ...aboutOf(place), result: 'trial' });
    this.#place = place;
    const { host, port } = place.backend;
    const startedMs = now();
    const upstream = connect({
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    });
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
      if (this.#phase === 'relaying') reset(this.client);
    });
    upstream.once('close', () => {
      clearTimeout(timer);
      this.#upstream = undefined;
      this.#place = undefined;
      const isDialFailure = this.#phase === 'dialling' && !this.#isClientClosed;
      const refusal = isDialFailure ? this.#judgeDial(place, failure) : undefined;
      this.#settle(place, 'none');
      router.leave(place.slot);
      if (this.#isClientClosed) this.#onEnded(this);
      else if (refusal !== undefined) this.#refuse(refusal);
      else if (isDialFailure) this.#dial();
    });
  }

  #connected(upstream: Socket, place: Place, rttSeconds: number): void {
    const { counters, router, logger } = this.#options;
    const { slot, backend } = place;
    this.#phase = 'relaying';
    this.#lastActivityMs = this.#options.now();
    router.connected(this.#address, place.tenancy);
    counters.connected(slot, rttSeconds);
    logger.debug(
      { client: this.#address.text, backend: backend.id, rttSeconds },
      'client connected to backend',
    );
    upstream.once('data', () => this.#reportSuccess(place));
    upstream.once('end', () => this.#backendEnded(upstream, place));
    upstream.once('error', (error) => this.#backendBroke(upstream, place, error));
    relay(this.client, upstream, (bytes) => {
      counters.sent(slot, bytes);
      this.#lastActivityMs = this.#options.now();
    });
    relay(upstream, this.client, (bytes) => {
      counters.received(slot, bytes);
      this.#lastActivityMs = this.#options.now();
    });
  }

  /** A backend that leaves a client waiting for its first byte has failed; an end in return for an end has not. */
  #backendEnded(upstream: Socket, place: Place): void {
    if (upstream.bytesRead > 0) return;
    const isAnswerOwed = this.client.bytesRead > 0 && !this.client.readableEnded;
    if (isAnswerOwed) this.#reportFailure(place, 'closed_before_first_byte', 'no byte in return');
    else this.#reportSuccess(place);
  }

  /** A failed write says nothing: the answer that explains it may be unread. */
  #backendBroke(upstream: Socket, place: Place, error: NodeJS.ErrnoException): void {
    if (upstream.bytesRead > 0 || error.syscall === 'write' || this.#phase === 'ending') return;
    if (this.client.bytesRead > 0) this.#reportFailure(place, 'reset', 'no byte in return');
    else this.#reportSuccess(place);
  }

  /** Charges a failed dial to whom it belongs; returns why the client is refused, or nothing when it may try again. */
  #judgeDial(place: Place, failure: NodeJS.ErrnoException | undefined): RefusalReason | undefined {
    const { onLocalTrouble, connectAttempts, now } = this.#options;
    const cause = failure === ABANDONED ? 'abandoned' : classifyConnectError(failure?.code);
    const detail = failure?.message ?? 'closed while connecting';
    const isLocal = cause === 'exhausted' || cause === 'local';
    if (isLocal) onLocalTrouble(place.backend.id, detail);
    else if (cause !== 'abandoned') this.#reportFailure(place, cause, detail);
    this.#isReported = false;
    this.#tried.push(place.slot);
    const mayTryAgain =
      cause !== 'exhausted' && this.#tried.length < connectAttempts && now() < this.#deadlineMs;
    if (mayTryAgain) return undefined;
    return isLocal ? 'local_error' : 'connect_failed';
  }

  #reportSuccess(place: Place): void {
    if (this.#isReported) return;
    this.#isReported = true;
    this.#settle(place, 'success');
    this.#options.report({ ...aboutOf(place), result: 'success' });
  }

  #reportFailure(place: Place, cause: FailureCause, detail: string): void {
    if (this.#isReported) return;
    this.#isReported = true;
    this.#settle(place, 'failure');
    this.#options.counters.errors[place.slot]!++;
    this.#options.report({ ...aboutOf(place), result: 'failure', cause, detail });
  }

  #settle(place: Place, result: 'success' | 'failure' | 'none'): void {
    this.#options.router.settle(place.slot, place.permit, result);
    place.permit = NO_PERMIT;
  }

  #refuse(reason: RefusalReason): void {
    this.#phase = 'ending';
    this.#options.onRefused(reason, this.#address.text);
    this.client.destroy();
  }

  #clientFailed(error: Error): void {
    this.#options.logger.debug(
      { client: this.#address.text, error: error.message },
      'client connection broke',
    );
    if (this.#phase === 'relaying' && this.#upstream !== undefined) {
      this.#phase = 'ending';
      reset(this.#upstream);
    }
  }

  #clientClosed(): void {
    this.#isClientClosed = true;
    this.#options.counters.clientEnded();
    if (this.#upstream === undefined) this.#onEnded(this);
    else if (this.#phase === 'dialling') this.#upstream.destroy();
  }
}

function aboutOf({ incarnation, epoch }: Place): { readonly incarnation: string; readonly epoch: number } {
  return { incarnation, epoch };
}
