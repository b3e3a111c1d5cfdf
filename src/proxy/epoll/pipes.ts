import type { Pointer, Sys } from '../sys/sys.ts';
import { FLAG, type SocketTable } from './socket-table.ts';

const MOST_SPARE = 64;

export interface PipeOptions {
  readonly sys: Sys;
  readonly table: SocketTable;
  /** Asked of the kernel; it gives what the account may have. */
  readonly pipeBytes: number;
}

/** Pipes that bulk goes through inside the kernel, reused from one connection to the next. */
export class Pipes {
  readonly #options: PipeOptions;
  readonly #fds = new Int32Array(new ArrayBuffer(8));
  readonly #pointer: Pointer;
  readonly #readers: number[] = [];
  readonly #writers: number[] = [];
  readonly #held: number[] = [];
  readonly #spare: number[] = [];
  readonly #unused: number[] = [];

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#pointer = options.sys.addressOf(this.#fds.buffer);
  }

  /** The number of an empty pipe, or -1 when there is none to be had: then bytes are copied. */
  take(): number {
    return this.#spare.pop() ?? this.#create();
  }

  /** Moves bytes from a socket into the pipe; returns as `splice` does. */
  fill(pipe: number, from: number): number {
    const moved = this.#options.sys.splice(from, this.#writers[pipe]!, this.#options.pipeBytes);
    if (moved > 0) this.#held[pipe]! += moved;
    return moved;
  }

  /** Moves bytes from the pipe into a socket; returns as `splice` does. */
  empty(pipe: number, to: number): number {
    const moved = this.#options.sys.splice(this.#readers[pipe]!, to, this.#held[pipe]!);
    if (moved > 0) this.#held[pipe]! -= moved;
    return moved;
  }

  /** Bytes inside. */
  held(pipe: number): number {
    return this.#held[pipe]!;
  }

  /** Gives a pipe back; one that still holds bytes is closed with them. */
  giveBack(pipe: number): void {
    if (this.#held[pipe] === 0 && this.#spare.length < MOST_SPARE) this.#spare.push(pipe);
    else this.#close(pipe);
  }

  #create(): number {
    const { sys, table, pipeBytes } = this.#options;
    if (sys.pipe(this.#pointer) < 0) return -1;
    const [reader, writer] = this.#fds as unknown as readonly [number, number];
    const areKnown = table.open(reader, FLAG.HELPER) && table.open(writer, FLAG.HELPER);
    if (!areKnown) {
      for (const fd of [reader, writer]) this.#closeEnd(fd);
      return -1;
    }
    sys.setPipeSize(writer, pipeBytes);
    const pipe = this.#unused.pop() ?? this.#readers.length;
    this.#readers[pipe] = reader;
    this.#writers[pipe] = writer;
    this.#held[pipe] = 0;
    return pipe;
  }

  #close(pipe: number): void {
    this.#closeEnd(this.#readers[pipe]!);
    this.#closeEnd(this.#writers[pipe]!);
    this.#unused.push(pipe);
  }

  #closeEnd(fd: number): void {
    if (fd < this.#options.table.size) this.#options.table.forget(fd);
    this.#options.sys.close(fd);
  }
}
