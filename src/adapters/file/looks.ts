import { Observable } from 'rxjs';
import type { MonotonicClock } from '../../domain/ports.ts';
import { PlaceWatcher, type WatchFolder } from './place-watcher.ts';
import { type Patience, Settling } from './settling.ts';

/** What some files have come to. */
export interface Look<Seen> {
  readonly seen: Seen;
  /** What tells it from other contents, such as a hash. */
  readonly state: string;
  /** Whether it may be what its writer wants. What cannot be is told only when it stays. */
  readonly isWhole: boolean;
}

export interface LooksOptions<Seen> {
  readonly paths: readonly string[];
  /** The state that is in use already; only another one is told. */
  readonly initial: string | undefined;
  /** Each one asks for a look that is told whatever it finds, at once. */
  readonly asked$: Observable<unknown>;
  /** @param isAsked somebody asked for this look, so it may tell nothing new */
  readonly look: (isAsked: boolean) => Promise<Look<Seen>>;
  /** How they are watched, from each one on; as long as there is none, nobody looks unless asked. */
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
 * What files have come to, once for every change of them.
 *
 *     folders of the paths ──hint──┐   ┌─────────────┐   ┌────────────────────────┐
 *     poll ────────────────────────┼──►│ look: read, ├──►│ told already? dropped. │──► seen
 *     asked$ ──────────────────────┘   │ hash        │   │ may it last? look again│
 *                                      └─────────────┘   └────────────────────────┘
 *
 * Compares contents, not times: a touch is no change, an older file that is restored is one. How files were replaced
 * does not matter: written in place, renamed over, removed and made again, by a symbolic link that points elsewhere. A
 * state that lasts too short (a file half written, or gone for a moment; one file of two) is not told. Never completes
 * and never fails; unsubscribing stops it.
 * Source: kubernetes/kubernetes#112677 (ConfigMaps are swapped by a link), nodejs/node fs.watch caveats.
 */
export function looks$<Seen>(options: LooksOptions<Seen>): Observable<Seen> {
  const { paths, initial, asked$, watch$, now, patience } = options;
  return new Observable((subscriber) => {
    const settling = new Settling(initial, patience);
    let isLooking = false;
    let isHinted = false;
    let isAsked = false;
    let lookedAtMs = -Infinity;
    let timer: NodeJS.Timeout | undefined;
    let watch: FileWatchOptions | undefined;
    let places: readonly PlaceWatcher[] = [];

    function follow(next: FileWatchOptions | undefined): void {
      for (const one of places) one.close();
      watch = next;
      places = next === undefined ? [] : paths.map((path) => watcherOf(path, next));
      if (next !== undefined) hint();
      else if (!isAsked) clearTimeout(timer);
    }

    function watcherOf(path: string, { onDeaf, folders }: FileWatchOptions): PlaceWatcher {
      return new PlaceWatcher({ path, onHint: hint, onDeaf, watch: folders });
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
      await Promise.all(places.map((one) => one.follow()));
      const found = await options.look(wasAsked);
      isLooking = false;
      if (subscriber.closed) return;
      const waitMs = judge(found, wasAsked);
      if (isAsked) lookIn(0);
      else if (isHinted) lookIn(MIN_GAP_MS);
      else if (waitMs !== undefined) lookIn(waitMs);
    }

    /** Tells the look or drops it; returns when to look again. */
    function judge({ seen, state, isWhole }: Look<Seen>, wasAsked: boolean): number | undefined {
      if (wasAsked) settling.take(state);
      const judgement = wasAsked ? 'settled' : settling.see(state, isWhole, lookedAtMs);
      if (judgement === 'settled') subscriber.next(seen);
      if (watch === undefined) return undefined;
      return typeof judgement === 'object' ? Math.min(judgement.inMs, watch.intervalMs) : watch.intervalMs;
    }

    subscriber.add(asked$.subscribe(ask));
    subscriber.add(watch$.subscribe(follow));
    subscriber.add(() => {
      clearTimeout(timer);
      for (const one of places) one.close();
    });
  });
}
