import type { Pipes } from './pipes.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Tuning } from './tuning.ts';

/** Full reads in a row after which bytes go through a pipe, and small ones after which they do not any more. */
const FULL_READS = 2;
const SMALL_READS = 4;
const SMALL_BYTES = 16_384;

export interface PipeUseOptions {
  readonly table: SocketTable;
  readonly pipes: Pipes;
  readonly tuning: Tuning;
  /** Whether bulk goes through pipes, never seen by this process. */
  readonly splices: boolean;
}

/** Decides which sources go through a pipe: those that carry bulk, as long as they do. */
export class PipeUse {
  readonly #options: PipeUseOptions;

  constructor(options: PipeUseOptions) {
    this.#options = options;
  }

  /** A read without a pipe was full. */
  readFull(source: number): void {
    const { table, splices } = this.#options;
    const reads = table.get(source, CELL.READS) + 1;
    table.set(source, CELL.READS, reads);
    if (splices && reads >= FULL_READS) this.#consider(source);
  }

  /** Bytes went through a pipe; it is given back after a few small reads in a row. */
  spliced(source: number, read: number): void {
    const { table, pipes } = this.#options;
    const left = read >= SMALL_BYTES ? SMALL_READS : table.get(source, CELL.READS) - 1;
    table.set(source, CELL.READS, left);
    if (left > 0) return;
    pipes.giveBack(table.get(source, CELL.PIPE) - 1);
    table.set(source, CELL.PIPE, 0);
  }

  #consider(source: number): void {
    const { table, pipes, tuning } = this.#options;
    if (table.has(source, FLAG.URGENT) || table.get(source, CELL.PIPE) > 0) return;
    const pipe = pipes.take();
    table.set(source, CELL.PIPE, pipe + 1);
    table.set(source, CELL.READS, pipe < 0 ? 0 : SMALL_READS);
    // The sender of bulk waits for acknowledgements.
    tuning.acknowledge(source);
  }
}
