import { CELL, type SocketTable } from './socket-table.ts';

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
    const table = this.#table;
    const own = this.#timeLeft(fd);
    let before = this.#last;
    while (before !== NONE && this.#timeLeft(before - 1) > own) before = table.get(before - 1, CELL.PREVIOUS);
    this.#join(fd + 1, before === NONE ? this.#first : table.get(before - 1, CELL.NEXT));
    this.#join(before, fd + 1);
  }

  remove(fd: number): void {
    this.#join(this.#table.get(fd, CELL.PREVIOUS), this.#table.get(fd, CELL.NEXT));
  }

  /** Makes two entries neighbours; each is a descriptor plus one, or an end of the list. */
  #join(before: number, after: number): void {
    if (before === NONE) this.#first = after;
    else this.#table.set(before - 1, CELL.NEXT, after);
    if (after === NONE) this.#last = before;
    else this.#table.set(after - 1, CELL.PREVIOUS, before);
  }
}
