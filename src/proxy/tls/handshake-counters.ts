import {
  HANDSHAKE_FAILURES,
  type HandshakeFailure,
  type HandshakeReport,
  TLS_VERSIONS,
  type TlsVersion,
} from '../../domain/tls.ts';
import { sharedInts, sharedNumbers } from '../shared-columns.ts';

/** A cell for each version and whether the session was resumed, then one for each failure. */
const FAILED = TLS_VERSIONS.length * 2;
const CELLS = FAILED + HANDSHAKE_FAILURES.length;

/** In all threads together; those of each follow. */
const ALL = 0;

/** What the threads share: plain data, may be sent to a thread. */
export interface HandshakeCountersMemory {
  /** Those under way. */
  readonly underWay: Int32Array<SharedArrayBuffer>;
  /** By thread of the TLS listener. */
  readonly totals: readonly Float64Array<SharedArrayBuffer>[];
}

export function newHandshakeCountersMemory(threads: number): HandshakeCountersMemory {
  return {
    underWay: sharedInts(1 + threads),
    totals: Array.from({ length: threads }, () => sharedNumbers(CELLS)),
  };
}

/** The handshakes of one thread, counted for all: a thread alone writes its totals, and anybody reads them at any time. */
export class HandshakeCounters {
  readonly #underWay: Int32Array<SharedArrayBuffer>;
  readonly #own: number;
  readonly #totals: Float64Array<SharedArrayBuffer>;

  /** @param thread of the TLS listener */
  constructor({ underWay, totals }: HandshakeCountersMemory, thread: number) {
    this.#underWay = underWay;
    this.#own = 1 + thread;
    this.#totals = totals[thread]!;
  }

  /** In all threads. */
  get underWay(): number {
    return Atomics.load(this.#underWay, ALL);
  }

  /** Counts one as under way, unless so many are in all threads. */
  tryBegin(most: number): boolean {
    for (;;) {
      const underWay = Atomics.load(this.#underWay, ALL);
      if (underWay >= most) return false;
      if (Atomics.compareExchange(this.#underWay, ALL, underWay, underWay + 1) === underWay) break;
    }
    Atomics.add(this.#underWay, this.#own, 1);
    return true;
  }

  done(version: TlsVersion, isResumed: boolean): void {
    this.#end();
    this.#totals[doneCell(version, isResumed)]!++;
  }

  failed(reason: HandshakeFailure): void {
    this.#end();
    this.#totals[FAILED + HANDSHAKE_FAILURES.indexOf(reason)]!++;
  }

  /** In the name of a thread that has died: what it had under way is over. */
  threadDied(): void {
    Atomics.sub(this.#underWay, ALL, Atomics.exchange(this.#underWay, this.#own, 0));
  }

  #end(): void {
    Atomics.sub(this.#underWay, this.#own, 1);
    Atomics.sub(this.#underWay, ALL, 1);
  }
}

export function handshakeReportOf({ underWay, totals }: HandshakeCountersMemory): HandshakeReport {
  const total = (cell: number): number => totals.reduce((sum, own) => sum + own[cell]!, 0);
  return {
    underWay: Atomics.load(underWay, ALL),
    done: TLS_VERSIONS.flatMap((version) =>
      [false, true].map((isResumed) => ({ version, isResumed, count: total(doneCell(version, isResumed)) })),
    ),
    failed: Object.fromEntries(
      HANDSHAKE_FAILURES.map((reason, index) => [reason, total(FAILED + index)]),
    ) as Record<HandshakeFailure, number>,
  };
}

function doneCell(version: TlsVersion, isResumed: boolean): number {
  return TLS_VERSIONS.indexOf(version) * 2 + Number(isResumed);
}
