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
}

/**
 * Who accepts from which listener: its own thread, or another one as long as that is away, so that no client waits
 * in the queue of a dead one. After the end of accepting, none is left that nobody holds.
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

  /** One listener a thread, in their order. */
  open(fds: readonly number[]): void {
    this.#entries = fds.map((fd, owner): Entry => ({ fd, owner, holder: undefined }));
    for (const entry of this.#entries) this.#assign(entry);
  }

  /** A thread has come: it gets its listener, as soon as its stand-in has let go of it. */
  arrived(acceptor: Acceptor): void {
    for (const entry of this.#entries) {
      if (entry.holder === undefined) this.#assign(entry);
      else if (entry.owner === acceptor.index && entry.holder !== acceptor)
        entry.holder.tell({ type: 'release', listener: entry.fd });
    }
  }

  released(fd: number): void {
    for (const entry of this.#entries) if (entry.fd === fd) this.#assign(entry);
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
    if (this.#isRetired) {
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
