import type { FailureCause, RefusalReason } from '../domain/outcome.ts';
import { HEADER_MODES, type HeaderMode } from '../domain/proxy-protocol/relayed-header.ts';
import { ABANDONED, Attempts } from './attempts.ts';
import { hasSpoken, type Introduction } from './introduction.ts';
import type { ConnectionOptions, ConnectionPhase } from './connection-options.ts';
import type { IpAddress } from './ip-address.ts';
import type { DialHolder, HeldDial } from './net/held-dials.ts';
import type { WarmWire } from './net/warm-wires.ts';
import type { Waiter, WaitingLine } from './net/waiting-line.ts';
import type { Wire, WireHolder } from './net/wire.ts';
import { openingOf } from './opening.ts';
import { Place } from './place.ts';
import type { ClientOrigin } from './reception.ts';
import { Relay, type RelayHooks } from './relay.ts';
import { ALL_FULL, refusalOf } from './router.ts';
import { timeoutOver } from './timeouts.ts';

/**
 * One client and the backend that serves it.
 *
 *     accepted ─► enter ─► from the pool or dialling ─► relaying ─► both wires closed ─► ended
 *                   ▲         │ refused, unreachable, timed out, abandoned
 *                   └─────────┘ (next distinct backend, within attempts and deadline)
 *
 * The client is not read from before a backend has answered, so nothing is lost when a backend fails, and the
 * client sees no byte and no error of a failed attempt.
 */
export class Connection implements WireHolder, RelayHooks, Waiter, DialHolder {
  readonly #client: Wire;
  readonly address: IpAddress;
  readonly app: number;
  readonly #line: WaitingLine;
  /** Until the backend has been told. */
  #introduction: Introduction | undefined;
  readonly #options: ConnectionOptions;
  readonly #attempts: Attempts;
  #backend: Wire | HeldDial | undefined;
  #place: Place | undefined;
  #relay: Relay | undefined;
  /** Its backend's wire, while that is one from the pool. */
  #warm: WarmWire | undefined;
  /** It was one, and is being closed. */
  #isStale = false;
  /** What the backend that is dialled is to be sent first. */
  #headerMode: HeaderMode = 'off';
  #phase: ConnectionPhase = 'dialling';
  #isClientClosed = false;

  /** @param introduction absent for a client that nobody had to announce */
  constructor(
    client: Wire,
    { address, app }: ClientOrigin,
    introduction: Introduction | undefined,
    options: ConnectionOptions,
  ) {
    this.#client = client;
    this.address = address;
    this.app = app;
    this.#line = options.lines.of(app);
    this.#introduction = introduction;
    this.#options = options;
    this.#attempts = new Attempts(options);
    client.hold(this);
  }

  /** The place that it holds at a backend. */
  get place(): Place | undefined {
    return this.#place;
  }

  get phase(): ConnectionPhase {
    return this.#phase;
  }

  get dialDeadlineMs(): number {
    return this.#attempts.deadlineMs;
  }

  /** Finds a place at a backend and dials it, or has to wait for one. */
  begin(): void {
    if (this.#line.mustWait || !this.takeTurn()) this.#wait();
  }

  waitedTooLong(): void {
    this.#refuse('queue_timeout');
  }

  #wait(): void {
    if (!this.#line.add(this)) return this.#refuse('all_full');
    this.#phase = 'waiting';
    this.#options.counters.clientQueued();
  }

  /** Finds a place and a connection there; false when every backend is full, and the client may wait. */
  takeTurn(): boolean {
    const slot = this.#options.router.enter(this.address, this.#attempts.tried, this.app);
    if (slot === ALL_FULL && this.#attempts.tried.length === 0) return false;
    if (this.#phase === 'waiting') {
      this.#line.remove(this);
      this.#phase = 'dialling';
      this.#attempts.renew();
    }
    if (slot < 0) this.#refuse(refusalOf(slot));
    else this.#serveAt(slot);
    return true;
  }

  #serveAt(slot: number): void {
    const { slots, warm } = this.#options;
    this.#place = new Place(slots.at(slot)!, this.#options);
    this.#warm = warm.take(this.#place.occupant.tenancy);
    if (this.#warm === undefined) return this.#dial();
    this.#headerMode = 'off';
    this.#backend = this.#warm.wire;
    this.#warm.wire.hold(this);
    this.#relayTo(this.#warm.wire, this.#warm.tookMs);
  }

  /** Ends both sides at once, with a reset where bytes may have gone through. */
  abort(): void {
    this.#phase = 'ending';
    this.#line.remove(this);
    if (this.#relay !== undefined) return this.#relay.abort();
    this.#backend?.close();
    this.#client.close();
  }

  /** Leaves its backend: a client that is not connected yet gets another one, one that is connected is cut off. */
  leaveBackend(): void {
    if (this.#phase === 'dialling') this.#failDial(ABANDONED);
    else this.abort();
  }

  /** To be called now and then: ends what has taken too long. */
  check(nowMs: number): void {
    const { timeouts, counters } = this.#options;
    const relay = this.#relay;
    if (this.#phase === 'waiting' && this.#client.hasGone(hasSpoken(this.#introduction))) return this.abort();
    if (relay === undefined || this.#phase !== 'relaying') return;
    relay.check();
    if (relay.isOver) return;
    const kind = timeoutOver(timeouts, relay.quietMs(nowMs), relay.isHalfClosed, relay.unansweredMs(nowMs));
    if (kind !== undefined) {
      counters.timedOut(kind);
      if (kind === 'first_byte') this.#place!.failed('first_byte_timeout', 'no byte in return in time');
      this.abort();
    } else relay.keepAlive();
  }

  dialExpired(): void {
    this.#failDial('ETIMEDOUT');
  }

  connected(backend: Wire): void {
    this.#options.dialClock.delete(this);
    this.#relayTo(backend, this.#attempts.tookMs);
  }

  mayDial(): void {
    this.#options.dialClock.delete(this);
    if (this.#options.router.rowOfTenancy(this.#place!.occupant.tenancy) >= 0) return this.#dial();
    // It has left meanwhile.
    this.#attempts.error = ABANDONED;
    this.#backendClosed();
  }

  #dial(): void {
    const { dialClock, heldDials, warm } = this.#options;
    const { tenancy } = this.#place!.occupant;
    this.#attempts.start();
    this.#backend = warm.makesRoom(tenancy) ? this.#open() : heldDials.add(this, tenancy);
    dialClock.add(this);
  }

  #open(): Wire {
    const { transport, router } = this.#options;
    const { tenancy, backend } = this.#place!.occupant;
    // Of one that has left meanwhile, when a dial is repeated, what held before does.
    const row = router.rowOfTenancy(tenancy);
    if (row >= 0) this.#headerMode = HEADER_MODES[router.table.headers[row]!]!;
    return transport.dial(backend.host, backend.port, this);
  }

  #relayTo(backend: Wire, tookMs: number): void {
    const { router, logger, now } = this.#options;
    const { tenancy, backend: row } = this.#place!.occupant;
    const rttSeconds = Math.round(tookMs * 1000) / 1e6;
    const isFromPool = this.#warm !== undefined;
    this.#phase = 'relaying';
    router.connected(this.address, tenancy, this.app);
    this.#place!.connected(tookMs / 1000);
    logger.debug({ client: this.address.text, backend: row.id, rttSeconds }, 'client connected to backend');
    this.#relay = new Relay(this.#client, backend, this, now, isFromPool);
    const opening = openingOf(this.#headerMode, this.#client, this.address, this.#introduction);
    // Should this connection turn out dead, the next backend may want to know.
    if (!isFromPool) this.#introduction = undefined;
    if (opening !== undefined) this.#relay.open(opening);
  }

  dialFailed(wire: Wire, errorCode: string): void {
    if (wire === this.#client) this.clientBroke(errorCode);
    else this.#attempts.error ??= errorCode;
  }

  closed(side: Wire | HeldDial): void {
    if (side === this.#client) this.#clientClosed();
    else this.#backendClosed();
  }

  sent(bytes: number): void {
    this.#place!.sent(bytes);
  }

  received(bytes: number): void {
    this.#place!.received(bytes);
  }

  answered(): void {
    this.#place!.succeeded();
  }

  endedSilently(fault: FailureCause | undefined): void {
    this.#place!.endedSilently(fault);
  }

  clientBroke(errorCode: string): void {
    this.#options.logger.debug({ client: this.address.text, error: errorCode }, 'client connection broke');
  }

  leftUnused(): void {
    const place = this.#place!;
    this.#phase = 'ending';
    this.#backend = undefined;
    this.#place = undefined;
    this.#options.warm.giveBack(this.#warm!);
    place.leave();
    this.#client.close();
  }

  wasStale(unsent: Uint8Array, hasEnded: boolean): void {
    this.#options.warm.wasStale(this.#warm!);
    this.#introduction = { announcement: this.#introduction?.announcement, surplus: unsent, hasEnded };
    this.#relay = undefined;
    this.#phase = 'dialling';
    this.#isStale = true;
    this.#attempts.renew();
    this.#backend!.close();
  }

  /** Gets a new connection to the same backend; where that may not be, the client is as one that comes now. */
  #replaceStale(): void {
    const place = this.#place!;
    this.#isStale = false;
    this.#warm = undefined;
    this.#backend = undefined;
    const isWanted = this.#phase === 'dialling' && !this.#isClientClosed;
    if (isWanted && place.mayBeRedialled) return this.#dial();
    this.#place = undefined;
    place.leave();
    if (this.#isClientClosed) this.#options.onEnded(this);
    else if (isWanted) this.begin();
  }

  #failDial(errorCode: string): void {
    this.#attempts.error = errorCode;
    this.#backend?.close();
  }

  #backendClosed(): void {
    if (this.#isStale) return this.#replaceStale();
    const place = this.#place!;
    const { dialClock, warm } = this.#options;
    dialClock.delete(this);
    const isDialFailure = this.#phase === 'dialling' && !this.#isClientClosed;
    if (isDialFailure && this.#attempts.isExhausted && warm.yieldDescriptors()) return this.#dial();
    this.#backend = undefined;
    this.#place = undefined;
    const refusal = isDialFailure ? this.#attempts.failedAt(place) : undefined;
    place.leave();
    if (this.#isClientClosed) this.#options.onEnded(this);
    else if (refusal !== undefined) this.#refuse(refusal);
    else if (isDialFailure) this.takeTurn();
    else this.#relay?.lost();
  }

  #clientClosed(): void {
    this.#isClientClosed = true;
    this.#line.remove(this);
    this.#options.counters.clientEnded();
    if (this.#backend === undefined) this.#options.onEnded(this);
    else if (this.#relay === undefined) this.#backend.close();
    else this.#relay.lost();
  }

  #refuse(reason: RefusalReason): void {
    this.#phase = 'ending';
    this.#options.onRefused(reason, this.address.text);
    this.#client.close();
  }
}
