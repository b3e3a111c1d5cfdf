import { SO, SOL } from '../sys/constants.ts';
import type { Pointer, Sys } from '../sys/sys.ts';

/** A `struct sock_filter` is 8 bytes: code (16 bits), jump when true, jump when false, operand (32 bits). */
const INSTRUCTION_BYTES = 8;

/** The flags of a TCP header, where the kernel runs filters of TCP sockets, and the one of a first segment. */
const FLAGS_AT = 13;
const SYN = 0x02;

const LOAD_BYTE = 0x30;
const JUMP_IF_ANY_BIT = 0x45;
const RETURN = 0x06;
const EVERYTHING = 0xff_ff_ff_ff;

const PROGRAM: readonly (readonly [code: number, jumpTrue: number, jumpFalse: number, operand: number])[] = [
  [LOAD_BYTE, 0, 0, FLAGS_AT],
  [JUMP_IF_ANY_BIT, 0, 1, SYN],
  [RETURN, 0, 0, 0],
  [RETURN, 0, 0, EVERYTHING],
];

/**
 * Makes a listener deaf to new clients, while the handshakes that have begun are completed. A client that comes then
 * is neither accepted nor refused: it asks again, after a second. Source: Linux, Documentation/networking/filter.rst.
 */
export class SynFilter {
  readonly #sys: Sys;
  readonly #program = new DataView(new ArrayBuffer(PROGRAM.length * INSTRUCTION_BYTES));
  /** `struct sock_fprog`: how many instructions (16 bits), and behind padding where they are. */
  readonly #header = new DataView(new ArrayBuffer(16));
  readonly #headerAt: Pointer;

  constructor(sys: Sys) {
    this.#sys = sys;
    PROGRAM.forEach(([code, jumpTrue, jumpFalse, operand], index) => {
      const at = index * INSTRUCTION_BYTES;
      this.#program.setUint16(at, code, true);
      this.#program.setUint8(at + 2, jumpTrue);
      this.#program.setUint8(at + 3, jumpFalse);
      this.#program.setUint32(at + 4, operand, true);
    });
    this.#header.setUint16(0, PROGRAM.length, true);
    this.#header.setBigUint64(8, BigInt(sys.addressOf(this.#program.buffer)), true);
    this.#headerAt = sys.addressOf(this.#header.buffer);
  }

  /** Returns 0, or why the listener goes on as it was. */
  attach(fd: number): number {
    return this.#sys.setOptionAt(fd, SOL.SOCKET, SO.ATTACH_FILTER, this.#headerAt, this.#header.byteLength);
  }
}
