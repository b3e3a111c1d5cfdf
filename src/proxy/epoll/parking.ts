import type { Pointer, Sys } from '../sys/sys.ts';

const MOST_SPARE = 64;

interface Lot {
  readonly bytes: Uint8Array;
  readonly pointer: Pointer;
  start: number;
  end: number;
}

/**
 * Buffers for what a peer did not take at once; one a blocked direction, never more than was read in one go.
 *
 * A source that is blocked is not read, so this bounds the memory of a connection.
 */
export class Parking {
  readonly #sys: Sys;
  readonly #lotBytes: number;
  readonly #lots: (Lot | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #spare: Lot[] = [];

  constructor(sys: Sys, lotBytes: number) {
    this.#sys = sys;
    this.#lotBytes = lotBytes;
  }

  /** Copies bytes in; returns the number of their buffer. */
  park(bytes: Uint8Array): number {
    const lot = this.#spare.pop() ?? this.#newLot();
    lot.bytes.set(bytes);
    lot.start = 0;
    lot.end = bytes.length;
    const number = this.#free.pop() ?? this.#lots.length;
    this.#lots[number] = lot;
    return number;
  }

  /** Sends what is left; returns as `send` does. */
  send(number: number, to: number): number {
    const lot = this.#lots[number]!;
    const sent = this.#sys.send(to, lot.pointer, lot.start, lot.end - lot.start, 0);
    if (sent > 0) lot.start += sent;
    return sent;
  }

  isEmpty(number: number): boolean {
    const lot = this.#lots[number]!;
    return lot.start === lot.end;
  }

  free(number: number): void {
    const lot = this.#lots[number]!;
    this.#lots[number] = undefined;
    this.#free.push(number);
    if (this.#spare.length < MOST_SPARE) this.#spare.push(lot);
  }

  #newLot(): Lot {
    const memory = new ArrayBuffer(this.#lotBytes);
    return { bytes: new Uint8Array(memory), pointer: this.#sys.addressOf(memory), start: 0, end: 0 };
  }
}
