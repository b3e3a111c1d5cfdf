import type { SocketTable } from './socket-table.ts';

const NONE = 0;

/** The connects under way, the one that ends next first: a list through the rows of the table. */
export class DialList {
  readonly #table: SocketTable;
  readonly #timeLeft: (fd: number) => number;
  #first = NONE;
  #last = NONE;

  /** @param timeLeft of a connect, in milliseconds */
  constructor(table: SocketTable, timeLeft: (fd: number) => number) {
    this.#table = table;
    this.#timeLeft = timeLeft;
  }

  /** The descriptor whose time is over next, or -1. */
  get first(): number {
    return this.#first - 1;
  }

  /** Nearly always to the end: only a retry may have less time than those that began before it. */
  insert(fd: number): void {
    const { next, previous } = this.#table;
    const own = this.#timeLeft(fd);
    let before = this.#last;
    while (before !== NONE && this.#timeLeft(before - 1) > own) before = previous[before - 1]!;
    const after = before === NONE ? this.#first : next[before - 1]!;
    previous[fd] = before;
    next[fd] = after;
    if (before === NONE) this.#first = fd + 1;
    else next[before - 1] = fd + 1;
    if (after === NONE) this.#last = fd + 1;
    else previous[after - 1] = fd + 1;
  }

  remove(fd: number): void {
    const { next, previous } = this.#table;
    const [after, before] = [next[fd]!, previous[fd]!];
    if (before === NONE) this.#first = after;
    else next[before - 1] = after;
    if (after === NONE) this.#last = before;
    else previous[after - 1] = before;
  }
}
