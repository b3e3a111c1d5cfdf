import type { Command } from './messages.ts';

/** Who can accept: a data thread that is alive. */
export interface Acceptor {
  readonly index: number;
  readonly isReady: boolean;
  tell(command: Command): void;
}

interface Entry {
  readonly fd: number;
  /** Index of the thread that it was made for. */
  readonly owner: number;
  holder: Acceptor | undefined;
  /** Another one has taken its place. */
  isRetired: boolean;
}

/**
 * Who accepts from which listener: its own thread, or another one as long as that is away, so that no client waits
 * in the queue of a dead one. After the end of accepting, or once others have taken their place, none is left that
 * nobody holds.
 */
export class ListenerDesk {
  readonly #acceptors: readonly Acceptor[];
  readonly #close: (fd: number) => void;
  #entries: readonly Entry[] = [];
  #isRetired = false;

  constructor(acceptors: readonly Acceptor[], close: (fd: number) => void) {
    this.#acceptors = acceptors;
    this.#close = close;
  }

  /**
   * One listener a thread, in their order; those that there are already are closed when they are accepted from.
   *
   * @param isShared old and new ones listen on the same port
   */
  open(fds: readonly number[], isShared: boolean): void {
    const [before, added] = [this.#entries, fds.map(newEntry)];
    this.#entries = [...before, ...added];
    for (const entry of added) this.#assign(entry);
    for (const entry of before) {
      entry.isRetired = true;
      if (entry.holder === undefined) this.#assign(entry);
      else entry.holder.tell({ type: 'retire', listener: entry.fd, isShared });
    }
  }

  /** A thread has come: it gets its listener, as soon as its stand-in has let go of it. */
  arrived(acceptor: Acceptor): void {
    for (const entry of this.#entries) {
      if (entry.holder === undefined) this.#assign(entry);
      else if (entry.owner === acceptor.index && entry.holder !== acceptor && !entry.isRetired)
        entry.holder.tell({ type: 'release', listener: entry.fd });
    }
  }

  /** A thread has let go of one. Its number alone would not do: that of one that is closed may be another's by now. */
  released(fd: number, acceptor: Acceptor): void {
    const entry = this.#entries.find((one) => one.fd === fd && one.holder === acceptor);
    if (entry !== undefined) this.#assign(entry);
  }

  /** A thread closes one that has been replaced. */
  retired(fd: number, acceptor: Acceptor): void {
    const entry = this.#entries.find((one) => one.fd === fd && one.holder === acceptor && one.isRetired);
    this.#entries = this.#entries.filter((other) => other !== entry);
  }

  /** A thread has died: somebody else accepts for it. */
  left(acceptor: Acceptor): void {
    for (const entry of this.#entries) if (entry.holder === acceptor) this.#assign(entry);
  }

  /** A thread closes what it holds: nobody else may, its numbers may be others' by now. */
  closed(acceptor: Acceptor): void {
    this.#entries = this.#entries.filter(({ holder }) => holder !== acceptor);
  }

  /** The end of accepting: holders have been told to close theirs. */
  retire(): void {
    this.#isRetired = true;
    for (const entry of this.#entries) if (entry.holder === undefined) this.#assign(entry);
  }

  #assign(entry: Entry): void {
    entry.holder = undefined;
    if (this.#isRetired || entry.isRetired) {
      this.#entries = this.#entries.filter((other) => other !== entry);
      this.#close(entry.fd);
      return;
    }
    const acceptor =
      this.#acceptors.find(({ index, isReady }) => isReady && index === entry.owner) ??
      this.#acceptors.find(({ isReady }) => isReady);
    if (acceptor === undefined) return;
    entry.holder = acceptor;
    acceptor.tell({ type: 'adopt', listener: entry.fd });
  }
}

function newEntry(fd: number, owner: number): Entry {
  return { fd, owner, holder: undefined, isRetired: false };
}
