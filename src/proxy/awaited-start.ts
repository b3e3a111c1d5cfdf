import type { MonotonicClock } from '../domain/ports.ts';
import type { Wire, WireHolder, WireReader } from './net/wire.ts';
import { isIncomplete, isMalformed, type ParsedStart } from './parsed-start.ts';

export interface AwaitedStartOptions<Start extends { readonly kind: string }> {
  /** Time for it to come; read anew each time. */
  readonly bounds: { readonly timeoutMs: number };
  readonly now: MonotonicClock;
  /** Bounds what is kept: what is too long is malformed. */
  readonly parse: (bytes: Uint8Array) => ParsedStart<Start>;
  /** The wire is paused, and waits for another holder and reader. @param received all that has been read */
  readonly onStart: (start: Start, received: Received) => void;
  readonly onRefused: (problem: string) => void;
}

export interface Received {
  readonly bytes: Uint8Array;
  /** The FIN has been read as well. */
  readonly hasEnded: boolean;
}

const NOTHING_YET: Received = { bytes: new Uint8Array(), hasEnded: false };

/**
 * A connection that has to begin with something, which has not come yet; in the end one of both callbacks is called,
 * but after `abort`. What has come of it is kept.
 */
export class AwaitedStart<Start extends { readonly kind: string }> implements WireReader, WireHolder {
  readonly #wire: Wire;
  readonly #options: AwaitedStartOptions<Start>;
  readonly #sinceMs: number;
  #timer: NodeJS.Timeout;
  /** What has come, and room for more. */
  #memory: Uint8Array = NOTHING_YET.bytes;
  #byteCount = 0;
  #neededBytes = 1;
  #isSettled = false;
  #hasEnded = false;

  constructor(wire: Wire, options: AwaitedStartOptions<Start>) {
    this.#wire = wire;
    this.#options = options;
    this.#sinceMs = options.now();
    this.#timer = this.#wait();
    wire.hold(this);
  }

  /** To be called once. @param received what somebody else has read before */
  begin(received: Received = NOTHING_YET): void {
    if (received.bytes.length > 0) this.took(this.#wire, received.bytes);
    if (this.#isSettled) return;
    if (received.hasEnded) this.ended();
    else this.#wire.read(this);
  }

  /** The time that has passed counts towards another timeout. */
  timeoutChanged(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#wait();
  }

  #wait(): NodeJS.Timeout {
    const { bounds, now } = this.#options;
    const { timeoutMs } = bounds;
    return setTimeout(
      () => this.#refuse(`does not come within ${timeoutMs} ms`),
      Math.max(0, this.#sinceMs + timeoutMs - now()),
    );
  }

  /** Closes the wire, unless one of both callbacks has been called. @returns whether it was still waited for */
  abort(): boolean {
    if (this.#isSettled) return false;
    this.#settle();
    this.#wire.close();
    return true;
  }

  took(_: Wire, bytes: Uint8Array): void {
    if (this.#isSettled) return;
    this.#keep(bytes);
    if (this.#byteCount < this.#neededBytes) return;
    const kept = this.#memory.subarray(0, this.#byteCount);
    const parsed = this.#options.parse(kept);
    if (isMalformed(parsed)) return this.#refuse(parsed.problem);
    if (isIncomplete(parsed)) {
      this.#neededBytes = parsed.neededBytes;
      return;
    }
    this.#settle();
    this.#wire.pause();
    const hasEnded = (): boolean => this.#hasEnded;
    this.#options.onStart(parsed, {
      bytes: kept,
      // Some wires tell of a FIN while they are paused.
      get hasEnded() {
        return hasEnded();
      },
    });
  }

  ended(): void {
    this.#hasEnded = true;
    this.#refuse(this.#byteCount === 0 ? 'does not come before the end' : 'ends before it is whole');
  }

  broke(_: Wire, errorCode: string): void {
    this.#refuse(`does not come: ${errorCode}`);
  }

  closed(): void {
    this.#refuse('does not come before the end');
  }

  // Nothing is dialled or written here.
  connected(): void {}
  dialFailed(): void {}
  wrote(): void {}
  writeFailed(): void {}

  /** Copies each byte a few times at most, in however small pieces they come. */
  #keep(bytes: Uint8Array): void {
    const byteCount = this.#byteCount + bytes.length;
    if (byteCount > this.#memory.length) {
      const larger = new Uint8Array(Math.max(byteCount, 2 * this.#memory.length));
      larger.set(this.#memory.subarray(0, this.#byteCount));
      this.#memory = larger;
    }
    this.#memory.set(bytes, this.#byteCount);
    this.#byteCount = byteCount;
  }

  #refuse(problem: string): void {
    if (this.#isSettled) return;
    this.#settle();
    // Counted before the peer can know.
    this.#options.onRefused(problem);
    this.#wire.close();
  }

  #settle(): void {
    this.#isSettled = true;
    clearTimeout(this.#timer);
  }
}
