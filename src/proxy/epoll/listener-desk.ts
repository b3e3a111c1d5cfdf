import type { App } from '../apps.ts';
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
  /** Whose clients come there. */
  app: App;
  holder: Acceptor | undefined;
  /** It is not wanted any more. */
  isRetired: boolean;
}

/**
 * Who accepts from which listener: its own thread, or another one as long as that is away, so that no client waits
 * in the queue of a dead one. After the end of accepting, or once they are not wanted any more, none is left that
 * nobody holds.
 */
export class ListenerDesk {
  readonly #acceptors: readonly Acceptor[];
  readonly #release: (fd: number) => void;
  #entries: readonly Entry[] = [];
  #isRetired = false;

  /** @param release closes a listener that nobody holds */
  constructor(acceptors: readonly Acceptor[], release: (fd: number) => void) {
    this.#acceptors = acceptors;
    this.#release = release;
  }

  /** Those of one address: one listener a thread, in their order. */
  open(fds: readonly number[], app: App): void {
    const added = fds.map((fd, owner): Entry => ({ fd, owner, app, holder: undefined, isRetired: false }));
    this.#entries = [...this.#entries, ...added];
    for (const entry of added) this.#assign(entry);
  }

  /** Another app's clients come to these from now on. */
  serve(fds: readonly number[], app: App): void {
    for (const entry of this.#of(fds)) {
      entry.app = app;
      entry.holder?.tell({ type: 'serve', listener: entry.fd, app });
    }
  }

  /**
   * These are not wanted any more: they are closed when they have been accepted from.
   *
   * @param isShared others listen on the same port
   */
  close(fds: readonly number[], isShared: boolean): void {
    for (const entry of this.#of(fds)) {
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

  /** The number of one that was retired may be another's by now. */
  #of(fds: readonly number[]): readonly Entry[] {
    return this.#entries.filter(({ fd, isRetired }) => !isRetired && fds.includes(fd));
  }

  #assign(entry: Entry): void {
    entry.holder = undefined;
    if (this.#isRetired || entry.isRetired) {
      this.#entries = this.#entries.filter((other) => other !== entry);
      this.#release(entry.fd);
      return;
    }
    const acceptor =
      this.#acceptors.find(({ index, isReady }) => isReady && index === entry.owner) ??
      this.#acceptors.find(({ isReady }) => isReady);
    if (acceptor === undefined) return;
    entry.holder = acceptor;
    acceptor.tell({ type: 'adopt', listener: entry.fd, app: entry.app });
  }
}
