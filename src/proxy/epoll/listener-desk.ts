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
 * in the queue of a dead one.
 */
export class ListenerDesk {
  readonly #acceptors: readonly Acceptor[];
  #entries: readonly Entry[] = [];

  constructor(acceptors: readonly Acceptor[]) {
    this.#acceptors = acceptors;
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
    for (const entry of this.#entries) {
      if (entry.fd !== fd) continue;
      entry.holder = undefined;
      this.#assign(entry);
    }
  }

  /** A thread has died: somebody else accepts for it. */
  left(acceptor: Acceptor): void {
    for (const entry of this.#entries) {
      if (entry.holder !== acceptor) continue;
      entry.holder = undefined;
      this.#assign(entry);
    }
  }

  /** The holders have been told to close their listeners; those that nobody holds are returned. */
  retire(): readonly number[] {
    const ownerless = this.#entries.filter(({ holder }) => holder === undefined).map(({ fd }) => fd);
    this.#entries = [];
    return ownerless;
  }

  #assign(entry: Entry): void {
    const acceptor =
      this.#acceptors.find(({ index, isReady }) => isReady && index === entry.owner) ??
      this.#acceptors.find(({ isReady }) => isReady);
    if (acceptor === undefined) return;
    entry.holder = acceptor;
    acceptor.tell({ type: 'adopt', listener: entry.fd });
  }
}
