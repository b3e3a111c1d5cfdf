import { SO, SOL } from '../sys/constants.ts';
import type { Pointer, Sys } from '../sys/sys.ts';

/** Makes the close of a socket a reset: its peer must not take an abort for an orderly end. */
export class Resetter {
  readonly #sys: Sys;
  /** `struct linger`: on, for no time. */
  readonly #linger = Int32Array.from([1, 0]);
  readonly #pointer: Pointer;

  constructor(sys: Sys) {
    this.#sys = sys;
    this.#pointer = sys.addressOf(this.#linger.buffer);
  }

  prepare(fd: number): void {
    this.#sys.setOptionAt(fd, SOL.SOCKET, SO.LINGER, this.#pointer, this.#linger.byteLength);
  }
}
