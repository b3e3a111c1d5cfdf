import {
  asyncScheduler,
  defer,
  Observable,
  Subscription,
  take,
  throwIfEmpty,
  type ObservableInput,
  type SchedulerLike,
} from 'rxjs';
import { sameBackends, type Backend, type ParsedRows, type SkippedRow } from '../domain/backend.ts';
import type { RowsUpdate } from '../domain/backend-source.ts';
import { backoffDelayMs } from '../domain/backoff.ts';
import type { MonotonicClock, Random } from '../domain/ports.ts';

/** How long a sudden emptiness must last before it is believed. */
export const EMPTY_CONFIRM_MS = 250;

const RETRY_BACKOFF = { baseMs: 1000, maxMs: 30_000 };

/** What happens beside the updates, for logs and metrics. */
export type RowsEvent =
  | { readonly type: 'READ_SUCCEEDED'; readonly readMs: number; readonly isChange: boolean }
  /** The `failures`-th failure in a row; the next read starts in `retryInMs`, or at the next hint. */
  | {
      readonly type: 'READ_FAILED';
      readonly error: unknown;
      readonly failures: number;
      readonly retryInMs: number;
    }
  /** No row where there were `heldBackends`: these stay until another read agrees. */
  | { readonly type: 'EMPTY_READ_HELD'; readonly heldBackends: number }
  /** The stream of hints failed: from now on only the poll sees changes. */
  | { readonly type: 'HINTS_FAILED'; readonly error: unknown };

export interface BackendRowsOptions {
  /** Each one says that rows may have changed, `atMs` on the clock `now`. */
  readonly hints$: Observable<{ readonly atMs: number }>;
  /** One complete read, in bounded time: the first value counts. */
  readonly read: () => ObservableInput<ParsedRows>;
  /** Pause between the end of a read and the next one that nobody hinted at. */
  readonly reloadIntervalMs: number;
  /** The rows that are in use already, such as the last known ones from disk; a first read equal to them is dropped. */
  readonly initial?: readonly Backend[] | undefined;
  readonly onEvent: (event: RowsEvent) => void;
  readonly now: MonotonicClock;
  readonly random: Random;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

function sameSkipped(a: readonly SkippedRow[], b: readonly SkippedRow[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ id, problems }, index) => {
      const other = b[index]!;
      return id === other.id && problems.join('\n') === other.problems.join('\n');
    })
  );
}

/**
 * The rows of the database, once for every change.
 *
 *     hints ──┐   ┌────────────────────────────────────────────┐
 *             ├──►│ one read at a time; a hint meanwhile causes │──► sudden emptiness ──► equal to ──► RowsUpdate
 *     poll  ──┘   │ one more, however many there were           │    held 250 ms          the last
 *      ▲          └───────────────┬────────────────────────────┘                          dropped
 *      └── reloadIntervalMs after a read, earlier after a failed one
 *
 * Reads at once when subscribed and at every hint; nothing is debounced. A failed read keeps what was and never
 * ends the stream: it is reported, and tried again at the next hint or after a jittered, growing delay of at most
 * `reloadIntervalMs`. Never completes; unsubscribing stops everything.
 * Source: PostgREST/postgrest#2791 (a hint during a reload is lost without the flag).
 */
export function backendRows$(options: BackendRowsOptions): Observable<RowsUpdate> {
  const { hints$, read, reloadIntervalMs, initial, onEvent, now, random } = options;
  const scheduler = options.scheduler ?? asyncScheduler;

  return new Observable((subscriber) => {
    let current: ParsedRows | undefined = initial && { backends: initial, skipped: [] };
    let isReading = false;
    let isDirty = false;
    /** The oldest hint that no successful read has answered. */
    let hintedAtMs: number | undefined;
    let emptySinceMs: number | undefined;
    let failures = 0;
    let timer = Subscription.EMPTY;

    function hint(atMs: number): void {
      hintedAtMs ??= atMs;
      if (isReading) isDirty = true;
      else startRead();
    }

    function startRead(): void {
      timer.unsubscribe();
      isReading = true;
      isDirty = false;
      const answeredAtMs = hintedAtMs;
      hintedAtMs = undefined;
      const startedMs = now();
      const reading = defer(read)
        .pipe(take(1), throwIfEmpty())
        .subscribe({
          next: (rows) => finish(accept(rows, answeredAtMs, now() - startedMs)),
          error: (error: unknown) => {
            hintedAtMs = answeredAtMs ?? hintedAtMs;
            finish(reject(error));
          },
        });
      subscriber.add(reading);
    }

    /** @param pauseMs until the next read, unless a hint came meanwhile */
    function finish(pauseMs: number): void {
      isReading = false;
      if (subscriber.closed) return;
      if (isDirty) {
        startRead();
        return;
      }
      timer = scheduler.schedule(startRead, pauseMs);
    }

    function accept(rows: ParsedRows, answeredAtMs: number | undefined, readMs: number): number {
      failures = 0;
      const held = holdMs(rows);
      if (held > 0) {
        hintedAtMs = answeredAtMs ?? hintedAtMs;
        return held;
      }
      const isChange =
        current === undefined ||
        !sameBackends(current.backends, rows.backends) ||
        !sameSkipped(current.skipped, rows.skipped);
      current = rows;
      onEvent({ type: 'READ_SUCCEEDED', readMs, isChange });
      if (isChange) {
        subscriber.next({ ...rows, hintedAtMs: answeredAtMs, readMs, source: 'database' });
      }
      return reloadIntervalMs;
    }

    /** How long to wait before rows that are suddenly gone are believed; 0 for rows that may be applied. */
    function holdMs(rows: ParsedRows): number {
      const heldBackends = current?.backends.length ?? 0;
      const isEmpty = rows.backends.length === 0;
      if (!isEmpty || heldBackends < 2) {
        emptySinceMs = undefined;
        return 0;
      }
      if (emptySinceMs === undefined) {
        emptySinceMs = now();
        onEvent({ type: 'EMPTY_READ_HELD', heldBackends });
      }
      return Math.max(0, EMPTY_CONFIRM_MS - (now() - emptySinceMs));
    }

    function reject(error: unknown): number {
      failures += 1;
      const retryInMs = Math.min(reloadIntervalMs, backoffDelayMs(failures, RETRY_BACKOFF, random()));
      onEvent({ type: 'READ_FAILED', error, failures, retryInMs });
      return retryInMs;
    }

    subscriber.add(() => timer.unsubscribe());
    subscriber.add(
      hints$.subscribe({
        next: ({ atMs }) => hint(atMs),
        error: (error: unknown) => onEvent({ type: 'HINTS_FAILED', error }),
      }),
    );
    if (!isReading) startRead();
  });
}
