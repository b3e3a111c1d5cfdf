import { isDeepStrictEqual } from 'node:util';
import {
  asyncScheduler,
  defer,
  Observable,
  type ObservableInput,
  type SchedulerLike,
  Subscription,
  take,
  throwIfEmpty,
} from 'rxjs';
import type { SqlSettingRow } from '../config/sql-settings.ts';

/** What happens beside the rows, for logs. */
export type SettingRowsEvent =
  | { readonly type: 'READ'; readonly isChange: boolean }
  /** There is no table that may be read. */
  | { readonly type: 'ABSENT' }
  | { readonly type: 'READ_FAILED'; readonly error: unknown }
  /** No row where there were several: these stay until another read agrees. */
  | { readonly type: 'EMPTY_READ_HELD'; readonly heldRows: number };

export interface SettingRowsOptions {
  /** Each one says that rows may have changed. Those of the backends are among them. */
  readonly hints$: Observable<unknown>;
  /** One complete read in bounded time, in a fixed order of rows; `undefined` where there is no table. */
  readonly read: () => ObservableInput<readonly SqlSettingRow[] | undefined>;
  /** Pause between the end of a read and the next one that nobody hinted at. */
  readonly reloadIntervalMs: number;
  /** The rows that are in use already; a first read equal to them is dropped. */
  readonly initial: readonly SqlSettingRow[];
  readonly onEvent: (event: SettingRowsEvent) => void;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/** Most hints are about backends, whose read goes first: new clients wait for it. */
const HINT_DELAY_MS = 10;

/** Between two reads, however many hints there are. */
const MIN_GAP_MS = 50;

/** How long a sudden emptiness must last before it is believed. */
export const EMPTY_CONFIRM_MS = 250;

/** Whether rows are so many fewer than those in use that they may be a restore, or a table made anew. */
export function isSuddenlyEmpty(rows: readonly SqlSettingRow[], inUse: readonly SqlSettingRow[]): boolean {
  return rows.length === 0 && inUse.length > 1;
}

/**
 * The rows of the table of settings, once for every change.
 *
 *     hints, poll ──► one read at a time ──► sudden emptiness held 250 ms ──► equal to the last: dropped ──► rows
 *
 * Reads at once when subscribed, 10 ms after a hint, and 50 ms after the read before at the earliest. A failed read
 * and an absent table keep what was. Never completes and never fails; unsubscribing stops everything.
 */
export function settingRows$(options: SettingRowsOptions): Observable<readonly SqlSettingRow[]> {
  const { hints$, read, reloadIntervalMs, initial, onEvent, scheduler = asyncScheduler } = options;
  return new Observable((subscriber) => {
    let current = initial;
    let isReading = false;
    let isDirty = false;
    /** A hint is going to be answered: another one must not put that off. */
    let isHinted = false;
    let readAtMs = -Infinity;
    let emptySinceMs: number | undefined;
    let timer = Subscription.EMPTY;

    function hint(): void {
      if (isReading) isDirty = true;
      if (isReading || isHinted) return;
      isHinted = true;
      readIn(Math.max(HINT_DELAY_MS, readAtMs + MIN_GAP_MS - scheduler.now()));
    }

    function readIn(ms: number): void {
      timer.unsubscribe();
      timer = scheduler.schedule(startRead, ms);
    }

    function startRead(): void {
      isReading = true;
      isDirty = false;
      isHinted = false;
      readAtMs = scheduler.now();
      const reading = defer(read)
        .pipe(take(1), throwIfEmpty())
        .subscribe({
          next: (rows) => finish(accept(rows)),
          error(error: unknown) {
            onEvent({ type: 'READ_FAILED', error });
            finish(reloadIntervalMs);
          },
        });
      subscriber.add(reading);
    }

    function finish(pauseMs: number): void {
      isReading = false;
      isHinted = isDirty;
      if (!subscriber.closed) readIn(isDirty ? MIN_GAP_MS : pauseMs);
    }

    /** Tells rows that are news; returns the pause until the next read. */
    function accept(rows: readonly SqlSettingRow[] | undefined): number {
      if (rows === undefined) {
        onEvent({ type: 'ABSENT' });
        return reloadIntervalMs;
      }
      const heldMs = holdMs(rows);
      if (heldMs > 0) return heldMs;
      const isChange = !isDeepStrictEqual(rows, current);
      current = rows;
      onEvent({ type: 'READ', isChange });
      if (isChange) subscriber.next(rows);
      return reloadIntervalMs;
    }

    /** How long to wait before rows that are suddenly gone are believed; 0 for rows that may be told. */
    function holdMs(rows: readonly SqlSettingRow[]): number {
      if (!isSuddenlyEmpty(rows, current)) {
        emptySinceMs = undefined;
        return 0;
      }
      if (emptySinceMs === undefined) {
        emptySinceMs = scheduler.now();
        onEvent({ type: 'EMPTY_READ_HELD', heldRows: current.length });
      }
      return Math.max(0, EMPTY_CONFIRM_MS - (scheduler.now() - emptySinceMs));
    }

    subscriber.add(() => timer.unsubscribe());
    readIn(0);
    subscriber.add(hints$.subscribe(hint));
  });
}
