import { parseProxyHeader } from '../domain/proxy-protocol/parse-header.ts';
import { type Announcement, announcementOf } from '../domain/proxy-protocol/relayed-header.ts';
import type { MonotonicClock } from '../domain/ports.ts';
import type { Wire, WireHolder, WireReader } from './net/wire.ts';

/** How a peer that a trusted proxy speaks through has begun. */
export interface Introduction {
  /** Absent when it speaks for itself. */
  readonly announcement: Announcement | undefined;
  /** What has been read behind its header. */
  readonly surplus: Uint8Array;
  /** Its FIN has been read as well. */
  readonly hasEnded: boolean;
}

export interface AwaitedHeaderOptions {
  /** Read anew each time. */
  readonly header: { readonly timeoutMs: number };
  readonly now: MonotonicClock;
  /** The wire is paused, and waits for another holder and reader. */
  readonly onHeader: (introduction: Introduction) => void;
  readonly onRefused: (problem: string) => void;
}

/**
 * A peer whose PROXY header has not come yet; in the end one of both callbacks is called, but after `abort`. What has
 * come of a header is kept, 4 KiB at most.
 */
export class AwaitedHeader implements WireReader, WireHolder {
  readonly #wire: Wire;
  readonly #options: AwaitedHeaderOptions;
  readonly #sinceMs: number;
  #timer: NodeJS.Timeout;
  #bytes: Uint8Array = new Uint8Array();
  #isSettled = false;
  #hasEnded = false;

  constructor(wire: Wire, options: AwaitedHeaderOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#sinceMs = options.now();
    this.#timer = this.#wait();
    wire.hold(this);
    wire.read(this);
  }

  /** The time that has passed counts towards another timeout. */
  timeoutChanged(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#wait();
  }

  #wait(): NodeJS.Timeout {
    const { header, now } = this.#options;
    const { timeoutMs } = header;
    return setTimeout(
      () => this.#refuse(`does not come within ${timeoutMs} ms`),
      Math.max(0, this.#sinceMs + timeoutMs - now()),
    );
  }

  abort(): void {
    this.#settle();
    this.#wire.close();
  }

  took(_: Wire, bytes: Uint8Array): void {
    if (this.#isSettled) return;
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    const parsed = parseProxyHeader(this.#bytes, this.#bytes.length);
    if (parsed.kind === 'malformed') return this.#refuse(parsed.problem);
    if (parsed.kind === 'incomplete') return;
    this.#settle();
    this.#wire.pause();
    const announcement = parsed.command === 'local' ? undefined : announcementOf(parsed);
    const surplus = this.#bytes.subarray(parsed.headerBytes);
    const hasEnded = (): boolean => this.#hasEnded;
    this.#options.onHeader({
      announcement,
      surplus,
      // Some wires tell of a FIN while they are paused.
      get hasEnded() {
        return hasEnded();
      },
    });
  }

  ended(): void {
    this.#hasEnded = true;
    this.#refuse(this.#bytes.length === 0 ? 'does not come before the end' : 'ends before it is whole');
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

  #refuse(problem: string): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#wire.close();
    this.#options.onRefused(problem);
  }

  #settle(): void {
    this.#isSettled = true;
    clearTimeout(this.#timer);
  }
}
