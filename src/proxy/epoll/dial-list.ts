import { CELL, type SocketTable } from './socket-table.ts';

const NONE = 0;

/** Descriptors that have a limited time, the one whose is over next first: a list through the rows of the table. */
export class DialList {
  readonly #table: SocketTable;
  readonly #timeLeft: (fd: number) => number;
  readonly #next: number;
  readonly #previous: number;
  #first = NONE;
  #last = NONE;

  /**
   * @param timeLeft of a descriptor, in milliseconds
   * @param next the cells that the list is kept in
   */
  constructor(
    table: SocketTable,
    timeLeft: (fd: number) => number,
    next: number = CELL.NEXT,
    previous: number = CELL.PREVIOUS,
  ) {
    this.#table = table;
    this.#timeLeft = timeLeft;
    this.#next = next;
    this.#previous = previous;
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
    while (before !== NONE && this.#timeLeft(before - 1) > own)
      before = table.get(before - 1, this.#previous);
    this.#join(fd + 1, before === NONE ? this.#first : table.get(before - 1, this.#next));
    this.#join(before, fd + 1);
  }

  /** What is left of their times has changed, and may be in another order. */
  reorder(): void {
    const fds: number[] = [];
    for (let entry = this.#first; entry !== NONE; entry = this.#table.get(entry - 1, this.#next))
      fds.push(entry - 1);
    this.#first = this.#last = NONE;
    for (const fd of fds.toSorted((a, b) => this.#timeLeft(a) - this.#timeLeft(b))) {
      this.#join(this.#last, fd + 1);
      this.#join(fd + 1, NONE);
    }
  }

  remove(fd: number): void {
    this.#join(this.#table.get(fd, this.#previous), this.#table.get(fd, this.#next));
  }

  /** Makes two entries neighbours; each is a descriptor plus one, or an end of the list. */
  #join(before: number, after: number): void {
    if (before === NONE) this.#first = after;
    else this.#table.set(before - 1, this.#next, after);
    if (after === NONE) this.#last = before;
    else this.#table.set(after - 1, this.#previous, before);
  }
}
