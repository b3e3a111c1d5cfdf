import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { Observable } from 'rxjs';
import type { MonotonicClock } from '../../domain/ports.ts';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import { PlaceWatcher, type WatchFolder } from './place-watcher.ts';
import { type Patience, Settling } from './settling.ts';

/** What a file has come to. `isAsked`: somebody asked for this look, so it may tell nothing new. */
export type FileLook =
  | { readonly type: 'CONTENT'; readonly content: string; readonly isAsked: boolean }
  /** It is gone or cannot be read: `ERR_SETTINGS_FILE`. */
  | { readonly type: 'UNREADABLE'; readonly error: EdgeProxyError; readonly isAsked: boolean };

export interface FileLooksOptions {
  readonly path: string;
  /** The content that is in use already; only another one is told. */
  readonly initial: string | undefined;
  /** Each one asks for a look that is told whatever it finds, at once. */
  readonly asked$: Observable<unknown>;
  /** Whether content may be what its writer wants. What cannot be is told only when it stays. */
  readonly isWhole: (content: string) => boolean;
  /** How it is watched, from each one on; as long as there is none, nobody looks unless asked. */
  readonly watch$: Observable<FileWatchOptions | undefined>;
  readonly now: MonotonicClock;
  /** Default: `PATIENCE`. */
  readonly patience?: Patience | undefined;
}

export interface FileWatchOptions {
  /** Pause between two looks that nothing hinted at. */
  readonly intervalMs: number;
  /** Changes in this folder give no hints, so that only the poll sees them. */
  readonly onDeaf: (folder: string, error: Error) => void;
  /** Default: `fs.watch`. */
  readonly folders?: WatchFolder | undefined;
}

/** Between two looks, however many hints there are. */
const MIN_GAP_MS = 10;

/**
 * The content of a file, once for every change of it.
 *
 *     folders of the path ──hint──┐   ┌─────────────┐   ┌────────────────────────┐
 *     poll ───────────────────────┼──►│ look: read, ├──►│ told already? dropped. │──► FileLook
 *     asked$ ─────────────────────┘   │ hash        │   │ may it last? look again│
 *                                     └─────────────┘   └────────────────────────┘
 *
 * Compares content, not times: a touch is no change, an older file that is restored is one. How it was replaced does
 * not matter: written in place, renamed over, removed and made again, by a symbolic link that points elsewhere. A
 * state that lasts too short (a file half written, or gone for a moment) is not told. Never completes and never
 * fails; unsubscribing stops it.
 * Source: kubernetes/kubernetes#112677 (ConfigMaps are swapped by a link), nodejs/node fs.watch caveats.
 */
export function fileLooks$(options: FileLooksOptions): Observable<FileLook> {
  const { path, initial, asked$, isWhole, watch$, now, patience } = options;
  return new Observable((subscriber) => {
    const settling = new Settling(initial === undefined ? undefined : stateOf(initial), patience);
    let isLooking = false;
    let isHinted = false;
    let isAsked = false;
    let lookedAtMs = -Infinity;
    let timer: NodeJS.Timeout | undefined;
    let watch: FileWatchOptions | undefined;
    let places: PlaceWatcher | undefined;

    function follow(next: FileWatchOptions | undefined): void {
      places?.close();
      watch = next;
      places = next && new PlaceWatcher({ path, onHint: hint, onDeaf: next.onDeaf, watch: next.folders });
      if (next !== undefined) hint();
      else if (!isAsked) clearTimeout(timer);
    }

    function hint(): void {
      if (isLooking) isHinted = true;
      else lookIn(lookedAtMs + MIN_GAP_MS - now());
    }

    function ask(): void {
      isAsked = true;
      if (!isLooking) lookIn(0);
    }

    function lookIn(ms: number): void {
      clearTimeout(timer);
      timer = setTimeout(() => void look(), Math.max(0, ms));
    }

    async function look(): Promise<void> {
      isLooking = true;
      isHinted = false;
      const wasAsked = isAsked;
      isAsked = false;
      lookedAtMs = now();
      // Watches first: what happens after the read must give a hint.
      await places?.follow();
      const seen = await read(path, wasAsked);
      isLooking = false;
      if (subscriber.closed) return;
      const waitMs = judge(seen);
      if (isAsked) lookIn(0);
      else if (isHinted) lookIn(MIN_GAP_MS);
      else if (waitMs !== undefined) lookIn(waitMs);
    }

    /** Tells the look or drops it; returns when to look again. */
    function judge(seen: FileLook): number | undefined {
      const state = seen.type === 'CONTENT' ? stateOf(seen.content) : `unreadable: ${seen.error.message}`;
      if (seen.isAsked) settling.take(state);
      const judgement = seen.isAsked
        ? 'settled'
        : settling.see(state, seen.type === 'CONTENT' && isWhole(seen.content), lookedAtMs);
      if (judgement === 'settled') subscriber.next(seen);
      if (watch === undefined) return undefined;
      return typeof judgement === 'object' ? Math.min(judgement.inMs, watch.intervalMs) : watch.intervalMs;
    }

    subscriber.add(asked$.subscribe(ask));
    subscriber.add(watch$.subscribe(follow));
    subscriber.add(() => {
      clearTimeout(timer);
      places?.close();
    });
  });
}

/** Content as what tells it from other content. */
function stateOf(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

async function read(path: string, isAsked: boolean): Promise<FileLook> {
  try {
    // Who reads a pipe takes its content away, or waits for some.
    if (!(await stat(path)).isFile()) throw new Error('it is no regular file, so it can be read only once');
    return { type: 'CONTENT', content: await readFile(path, 'utf8'), isAsked };
  } catch (thrown) {
    const error = new EdgeProxyError('ERR_SETTINGS_FILE', `${path}: cannot be read: ${messageOf(thrown)}`, {
      cause: thrown,
    });
    return { type: 'UNREADABLE', error, isAsked };
  }
}
