import { type FSWatcher, watch as watchFolder } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { placesOf } from './path-places.ts';

/** `fs.watch` on a folder, or a stand-in: tells the name in the folder that something happened to, where it knows. */
export type WatchFolder = (
  folder: string,
  onEvent: (name: string | undefined) => void,
  onError: (error: Error) => void,
) => { close(): void };

export interface PlaceWatcherOptions {
  readonly path: string;
  /** Something happened at one of the places that decide which file the path means. */
  readonly onHint: () => void;
  /** A folder cannot be watched: from there, changes are seen by the poll only. */
  readonly onDeaf: (folder: string, error: Error) => void;
  /** Default: `fs.watch`. */
  readonly watch?: WatchFolder | undefined;
}

interface Watched {
  readonly watcher: { close(): void };
  readonly names: Set<string>;
  /** A folder that was replaced by another of its name is watched anew. */
  readonly identity: string;
}

const watchBySystem: WatchFolder = (folder, onEvent, onError) => {
  const watcher: FSWatcher = watchFolder(folder, (_, name) => onEvent(name ?? undefined));
  watcher.on('error', onError);
  return watcher;
};

/**
 * Watches the folders whose entries decide what a path means, never the file itself: a watch on a file is deaf as
 * soon as another one is renamed over it. Events of other names in these folders are no hints.
 */
export class PlaceWatcher {
  readonly #options: PlaceWatcherOptions;
  readonly #watch: WatchFolder;
  readonly #watched = new Map<string, Watched>();
  /** Folders that could not be watched, so that each is told of once. */
  readonly #deaf = new Set<string>();
  #isClosed = false;

  constructor(options: PlaceWatcherOptions) {
    this.#options = options;
    this.#watch = options.watch ?? watchBySystem;
  }

  /** Brings the watches up to where the path leads now. Whatever happens after it resolved gives a hint. */
  async follow(): Promise<void> {
    const wanted = new Map<string, Set<string>>();
    let identities: ReadonlyMap<string, string | undefined>;
    try {
      for (const { folder, name } of await placesOf(this.#options.path)) {
        wanted.set(folder, (wanted.get(folder) ?? new Set()).add(name));
      }
      const folders = [...wanted.keys()];
      identities = new Map(
        await Promise.all(folders.map(async (folder) => [folder, await identityOf(folder)] as const)),
      );
    } catch {
      // The way cannot be searched: who reads the file finds out why, and the watches stay as they are.
      return;
    }
    if (this.#isClosed) return;
    for (const [folder, { identity }] of this.#watched) {
      if (!wanted.has(folder) || identities.get(folder) !== identity) this.#release(folder);
    }
    for (const [folder, names] of wanted) this.#keep(folder, names, identities.get(folder));
  }

  close(): void {
    this.#isClosed = true;
    for (const folder of this.#watched.keys()) this.#release(folder);
  }

  #keep(folder: string, names: Set<string>, identity: string | undefined): void {
    const known = this.#watched.get(folder);
    if (known !== undefined) {
      known.names.clear();
      for (const name of names) known.names.add(name);
      return;
    }
    if (identity === undefined) {
      // Gone since the way led through it, which leads elsewhere by now.
      this.#options.onHint();
      return;
    }
    try {
      const watcher = this.#watch(
        folder,
        (name) => {
          // What happens to the folder itself has its own name; where it was removed, the watch is deaf from now on.
          const isItself = name === basename(folder);
          if (isItself) this.#release(folder);
          if (isItself || name === undefined || names.has(name)) this.#options.onHint();
        },
        (error) => this.#fail(folder, error),
      );
      this.#watched.set(folder, { watcher, names, identity });
    } catch (thrown) {
      if (isAbsence(thrown)) this.#options.onHint();
      else
        this.#fail(folder, thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown }));
    }
  }

  #fail(folder: string, error: Error): void {
    this.#release(folder);
    if (this.#deaf.has(folder)) return;
    this.#deaf.add(folder);
    this.#options.onDeaf(folder, error);
  }

  #release(folder: string): void {
    this.#watched.get(folder)?.watcher.close();
    this.#watched.delete(folder);
  }
}

/** Device, inode, and time of birth, because inodes are used again; `undefined` when it is gone. */
async function identityOf(folder: string): Promise<string | undefined> {
  try {
    const { dev, ino, birthtimeNs } = await stat(folder, { bigint: true });
    return `${dev}:${ino}:${birthtimeNs}`;
  } catch (thrown) {
    if (isAbsence(thrown)) return undefined;
    throw thrown;
  }
}

function isAbsence(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
}
