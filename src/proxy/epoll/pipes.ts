import type { Pointer, Sys } from '../sys/sys.ts';
import type { LoopClock } from './clock.ts';
import { errorNameOf, NO_DESCRIPTORS } from './errno.ts';
import { FLAG, type SocketTable } from './socket-table.ts';

const MOST_SPARE = 64;

/** What a pipe has that nobody has made larger or smaller. */
const STANDARD_BYTES = 65_536;

/** How long no pipe is asked for after one could not be had. */
const REST_MS = 1_000;

export interface PipeOptions {
  readonly sys: Sys;
  readonly table: SocketTable;
  readonly clock: LoopClock;
  /** Asked of the kernel; an account without privilege may get less. */
  readonly pipeBytes: number;
  /** A pipe has this size instead, or there is none (0): bytes are copied. */
  readonly onSmall: (bytes: number, error: string) => void;
}

/** Pipes that bulk goes through inside the kernel, reused from one connection to the next. */
export class Pipes {
  readonly #options: PipeOptions;
  readonly #fds = new Int32Array(new ArrayBuffer(8));
  readonly #pointer: Pointer;
  readonly #readers: number[] = [];
  readonly #writers: number[] = [];
  readonly #held: number[] = [];
  /** Of each pipe. */
  readonly #bytes: number[] = [];
  readonly #spare: number[] = [];
  readonly #unused: number[] = [];
  #restsUntilMs = 0;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#pointer = options.sys.addressOf(this.#fds.buffer);
  }

  /** The number of an empty pipe, or -1 when there is none to be had: then bytes are copied. */
  take(): number {
    const { clock } = this.#options;
    const spare = this.#spare.pop();
    if (spare !== undefined) return spare;
    if (clock.ms < this.#restsUntilMs) return -1;
    const pipe = this.#create();
    if (pipe < 0) this.#restsUntilMs = clock.ms + REST_MS;
    return pipe;
  }

  /** Moves bytes from a socket into the pipe; returns as `splice` does. */
  fill(pipe: number, from: number): number {
    const moved = this.#options.sys.splice(from, this.#writers[pipe]!, this.#bytes[pipe]!);
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

  /** Closes what is kept for later. */
  closeSpare(): void {
    for (const pipe of this.#spare.splice(0)) this.#close(pipe);
  }

  #create(): number {
    const { sys, table } = this.#options;
    const result = sys.pipe(this.#pointer);
    if (result < 0) return this.#missed(errorNameOf(result));
    const [reader, writer] = this.#fds as unknown as readonly [number, number];
    const areKnown = table.open(reader, FLAG.HELPER) && table.open(writer, FLAG.HELPER);
    const bytes = areKnown ? this.#enlarge(writer) : NO_DESCRIPTORS;
    if (bytes < 0) {
      for (const fd of [reader, writer]) this.#closeEnd(fd);
      return this.#missed(errorNameOf(bytes));
    }
    const pipe = this.#unused.pop() ?? this.#readers.length;
    this.#readers[pipe] = reader;
    this.#writers[pipe] = writer;
    this.#held[pipe] = 0;
    this.#bytes[pipe] = bytes;
    return pipe;
  }

  #missed(error: string): -1 {
    this.#options.onSmall(0, error);
    return -1;
  }

  /**
   * The size that a new pipe has got, or why it has not even the standard one: an account whose pipes have used up
   * `fs.pipe-user-pages-soft` gets two pages, too little to be worth it.
   */
  #enlarge(writer: number): number {
    const { sys, pipeBytes, onSmall } = this.#options;
    const wanted = sys.setPipeSize(writer, pipeBytes);
    if (wanted >= 0) return wanted;
    const standard = sys.setPipeSize(writer, Math.min(pipeBytes, STANDARD_BYTES));
    if (standard >= 0) onSmall(standard, errorNameOf(wanted));
    return standard;
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
