import { getSystemErrorName } from 'node:util';
import type { FailureCause } from '../domain/outcome.ts';
import type { MonotonicClock } from '../domain/ports.ts';
import { KEEP_ALIVE_DELAY_MS, type Wire, type WireReader } from './net/wire.ts';

/** What a relay tells of its connection. */
export interface RelayHooks {
  /** The kernel has taken bytes for the backend. */
  sent(bytes: number): void;
  /** The kernel has taken bytes for the client. */
  received(bytes: number): void;
  /** The first byte of the backend. */
  answered(): void;
  /** The backend has ended, or is gone, without a byte. @param fault absent where it owed none */
  endedSilently(fault: FailureCause | undefined): void;
  clientBroke(errorCode: string): void;
  /** The client has gone before a byte went through a connection from the pool; its wire and the other are open. */
  leftUnused(): void;
  /**
   * A connection from the pool has turned out dead before it took or gave a byte; its wire and the client's are open,
   * and the client is not read from.
   *
   * @param unsent what the client has said
   * @param hasEnded the client's FIN has been read
   */
  wasStale(unsent: Uint8Array, hasEnded: boolean): void;
}

/** How a connection begins that does not begin with what is read from its client. */
export interface Opening {
  /** For the backend; empty when it wants none. */
  readonly header: Uint8Array;
  /** What has been read of the client before. */
  readonly surplus: Uint8Array;
  /** The client's FIN has been read. */
  readonly hasEnded: boolean;
}

/** What the relay knows of one side. */
interface Side {
  readonly wire: Wire;
  hasEnded: boolean;
  /** Not read from, as the other side takes no more. */
  isHeld: boolean;
}

/**
 * Hands on bytes, FINs and resets between two wires, in both directions alike.
 *
 *     source ──took──► sink       a sink that does not take all of it holds the source, so that one read at most
 *                                 waits in memory for each direction
 *
 * Bytes count when the kernel has taken them. A FIN is handed on behind the last byte, an abort as an abort. When
 * writing to the backend fails, what it has still said is read and handed on before the reset.
 */
export class Relay implements WireReader {
  readonly #client: Side;
  readonly #backend: Side;
  readonly #hooks: RelayHooks;
  #hasAsked = false;
  #hasAnswered = false;
  /** A write to the backend has failed: nobody takes what the client says. */
  #isBackendDeaf = false;
  #isOver = false;
  #isKeptAlive = false;
  #hasMoved = false;
  #lastMovedMs: number;
  /** When the client said its first byte. */
  #askedMs = Infinity;
  readonly #now: MonotonicClock;
  /** What the client has said over a connection from the pool, until the first byte has gone either way. */
  #unsent: Uint8Array[] | undefined;

  /** Begins at once. @param isFromPool the backend's wire has been waiting for a client */
  constructor(client: Wire, backend: Wire, hooks: RelayHooks, now: MonotonicClock, isFromPool = false) {
    this.#unsent = isFromPool ? [] : undefined;
    this.#client = { wire: client, hasEnded: false, isHeld: false };
    this.#backend = { wire: backend, hasEnded: false, isHeld: false };
    this.#hooks = hooks;
    this.#now = now;
    this.#lastMovedMs = now();
    backend.read(this);
    client.read(this);
  }

  /** What comes before all that is read from the client; to be called at once. */
  open({ header, surplus, hasEnded }: Opening): void {
    if (surplus.length > 0) this.#asked();
    const first = surplus.length === 0 ? header : Buffer.concat([header, surplus]);
    if (first.length > 0) this.#pass(first, this.#client, this.#backend);
    if (hasEnded && !this.#isOver) this.ended(this.#client.wire);
  }

  /** Ends both sides with a reset. The backend first: its place is free before its client can come again. */
  abort(): void {
    this.#isOver = true;
    this.#backend.wire.reset();
    this.#client.wire.reset();
  }

  /** To be called now and then: finds the bytes that have moved and the clients that have gone while nobody read. */
  check(): void {
    for (const sink of [this.#client, this.#backend]) {
      const bytes = sink.wire.progress();
      if (bytes > 0) this.#count(sink, bytes);
    }
    for (const side of [this.#client, this.#backend]) {
      if (this.#isOver || !this.#isUnnoticed(side) || side.wire.isConnected()) continue;
      if (side === this.#client) this.#hooks.clientBroke('ENOTCONN');
      this.abort();
    }
  }

  /** How long no byte and no FIN has gone through, as exact as this is asked often. */
  quietMs(nowMs: number): number {
    if (this.#hasMoved) this.#lastMovedMs = nowMs;
    this.#hasMoved = false;
    return nowMs - this.#lastMovedMs;
  }

  /** Has the system look whether the peers are still there: of connections that last, so that short ones do not pay. */
  keepAlive(): void {
    if (this.#isKeptAlive) return;
    this.#isKeptAlive = true;
    for (const { wire } of [this.#client, this.#backend]) wire.keepAlive(KEEP_ALIVE_DELAY_MS);
  }

  /** Both sides are closed, or about to be. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get isHalfClosed(): boolean {
    return this.#client.hasEnded || this.#backend.hasEnded;
  }

  /** Since the client's first byte, while the backend owes its own; below zero otherwise. */
  unansweredMs(nowMs: number): number {
    return this.#hasAnswered || this.#backend.hasEnded ? -1 : nowMs - this.#askedMs;
  }

  /** A wire has closed that nobody here has closed. */
  lost(): void {
    if (!this.#isOver) this.abort();
  }

  took(wire: Wire, bytes: Uint8Array): void {
    const source = this.#sideOf(wire);
    const sink = this.#otherThan(source);
    if (source === this.#backend) this.#unsent = undefined;
    if (source === this.#client) this.#asked();
    else if (!this.#hasAnswered) {
      this.#hasAnswered = true;
      this.#hooks.answered();
    }
    this.#pass(bytes, source, sink);
  }

  #asked(): void {
    if (this.#hasAsked) return;
    this.#hasAsked = true;
    this.#askedMs = this.#now();
  }

  wrote(wire: Wire, bytes: number): void {
    const sink = this.#sideOf(wire);
    const source = this.#otherThan(sink);
    this.#count(sink, bytes);
    if (sink.wire.isBusy) hold(source);
    else if (source.hasEnded) this.#passFin(sink);
    else letGo(source);
  }

  ended(wire: Wire): void {
    const source = this.#sideOf(wire);
    const sink = this.#otherThan(source);
    sink.wire.flush();
    // A wire tells each of its readers, and this one may have been told by the one before.
    if (this.#isOver || source.hasEnded || this.#endedUnused(source)) return;
    if (source === this.#backend && this.#isBackendDeaf) return this.broke(wire, 'EPIPE');
    source.hasEnded = true;
    this.#hasMoved = true;
    // One that leaves a client waiting for its first byte has failed; an end in return for an end has not.
    if (source === this.#backend && !this.#hasAnswered)
      this.#hooks.endedSilently(
        this.#hasAsked && !this.#client.hasEnded ? 'closed_before_first_byte' : undefined,
      );
    if (!sink.wire.isBusy) this.#passFin(sink);
  }

  broke(wire: Wire, errorCode: string): void {
    this.#otherThan(this.#sideOf(wire)).wire.flush();
    if (this.#isOver || this.#endedUnused(this.#sideOf(wire))) return;
    if (wire === this.#client.wire) this.#hooks.clientBroke(errorCode);
    else if (!this.#hasAnswered) this.#hooks.endedSilently(this.#hasAsked ? 'reset' : undefined);
    this.abort();
  }

  writeFailed(wire: Wire, errorCode: string): void {
    this.#sinkBroke(this.#sideOf(wire), errorCode);
  }

  #pass(bytes: Uint8Array, source: Side, sink: Side): void {
    this.#unsent?.push(Uint8Array.from(bytes));
    const taken = sink.wire.write(bytes);
    if (taken < 0) return this.#sinkBroke(sink, getSystemErrorName(taken));
    if (taken > 0) this.#count(sink, taken);
    if (sink.wire.isBusy) hold(source);
  }

  #sideOf(wire: Wire): Side {
    return wire === this.#client.wire ? this.#client : this.#backend;
  }

  #otherThan(side: Side): Side {
    return side === this.#client ? this.#backend : this.#client;
  }

  #count(sink: Side, bytes: number): void {
    this.#hasMoved = true;
    this.#unsent = undefined;
    if (sink === this.#backend) this.#hooks.sent(bytes);
    else this.#hooks.received(bytes);
  }

  #passFin(sink: Side): void {
    const sides = [this.#client, this.#backend];
    const isDone = sides.every(({ hasEnded, wire }) => hasEnded && !wire.isBusy);
    if (!isDone) return sink.wire.fin();
    this.#isOver = true;
    this.#backend.wire.finish();
    this.#client.wire.finish();
  }

  /** A write that fails says nothing: the answer that explains it may be unread. */
  #sinkBroke(sink: Side, errorCode: string): void {
    if (sink === this.#client) this.#hooks.clientBroke(errorCode);
    if (sink === this.#backend && this.#endedUnused(sink)) return;
    if (sink === this.#client || sink.hasEnded) return this.abort();
    this.#isBackendDeaf = true;
    hold(this.#client);
  }

  /** One side of a connection from the pool has ended or broken; false when bytes have gone through it. */
  #endedUnused(side: Side): boolean {
    const unsent = this.#unsent;
    if (unsent === undefined || (side === this.#client && unsent.length > 0)) return false;
    this.#isOver = true;
    if (side === this.#client) this.#hooks.leftUnused();
    else {
      this.#client.wire.pause();
      this.#hooks.wasStale(Buffer.concat(unsent), this.#client.hasEnded);
    }
    return true;
  }

  /** Whether nobody would notice that a side has gone, and nothing that it has said waits for the other one. */
  #isUnnoticed(side: Side): boolean {
    if (side === this.#client) return side.isHeld || side.hasEnded;
    return side.hasEnded && !this.#client.wire.isBusy;
  }
}

function hold(source: Side): void {
  source.isHeld = true;
  source.wire.pause();
}

function letGo(source: Side): void {
  if (!source.isHeld) return;
  source.isHeld = false;
  source.wire.resume();
}
