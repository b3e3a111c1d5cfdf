import * as fc from 'fast-check';
import { defer, map, NEVER, Subject, throwError, timer, VirtualTimeScheduler, type Observable } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { parseBackendRows, type Backend, type ParsedRows } from '../../src/domain/backend.ts';
import type { RowsUpdate } from '../../src/domain/backend-source.ts';
import { backendRows$, EMPTY_CONFIRM_MS, type RowsEvent } from '../../src/streams/backend-rows.ts';

const RELOAD_MS = 5000;

/** Backends `b1` to `b<count>`, all with the weight, which stands for what was committed. */
function rowsOf(count: number, weight = 1): ParsedRows {
  return parseBackendRows(
    Array.from({ length: count }, (_, index) => ({
      id: `b${index + 1}`,
      app: 'web',
      region: 'sa',
      country: 'BR',
      wg_ip: '10.0.0.1',
      port: 80,
      weight,
    })),
  );
}

const BAD_ROW = parseBackendRows([{ id: 'bad' }]);

interface WorldOptions {
  readonly initial?: readonly Backend[];
  readonly rows?: ParsedRows;
  readonly readMs?: number;
  readonly hints$?: Observable<{ readonly atMs: number }>;
}

/** A stream on virtual time over a table that the test writes. A read sees the table as it was when it began. */
function createWorld({ initial, rows = rowsOf(2), readMs = 10, hints$ }: WorldOptions = {}) {
  const scheduler = new VirtualTimeScheduler();
  const hints = new Subject<{ readonly atMs: number }>();
  const updates: RowsUpdate[] = [];
  const events: RowsEvent[] = [];
  const readsAtMs: number[] = [];
  const table: { rows: ParsedRows; failure: Error | undefined; readMs: number } = {
    rows,
    readMs,
    failure: undefined,
  };
  let isReading = false;
  const now = () => scheduler.now();

  const read = (): Observable<ParsedRows> => {
    expect(isReading).toBe(false);
    isReading = true;
    readsAtMs.push(now());
    const { rows: seen, failure } = table;
    return timer(table.readMs, scheduler).pipe(
      map(() => {
        isReading = false;
        if (failure !== undefined) throw failure;
        return seen;
      }),
    );
  };
  const subscription = backendRows$({
    hints$: hints$ ?? hints,
    read,
    reloadIntervalMs: RELOAD_MS,
    initial,
    onEvent: (event) => events.push(event),
    now,
    random: () => 0.5,
    scheduler,
  }).subscribe((update) => updates.push(update));

  return {
    updates,
    events,
    readsAtMs,
    table,
    subscription,
    hint: () => hints.next({ atMs: now() }),
    at: (ms: number, act: () => void): void => {
      scheduler.schedule(act, ms - now());
    },
    runUntil: (ms: number): void => {
      scheduler.maxFrames = ms;
      scheduler.flush();
    },
    eventsOf: (type: RowsEvent['type']) => events.filter((event) => event.type === type),
  };
}

const countsOf = (updates: readonly RowsUpdate[]) => updates.map(({ backends }) => backends.length);

describe('reading', () => {
  test('begins at once, before any hint', () => {
    const { runUntil, readsAtMs, updates } = createWorld();
    runUntil(100);
    expect(readsAtMs).toEqual([0]);
    expect(updates).toEqual([{ ...rowsOf(2), hintedAtMs: undefined, readMs: 10, source: 'database' }]);
  });

  test('follows a hint at once and says how old the hint is', () => {
    const { runUntil, at, hint, table, readsAtMs, updates } = createWorld();
    at(700, () => {
      table.rows = rowsOf(3);
      hint();
    });
    runUntil(1000);
    expect(readsAtMs).toEqual([0, 700]);
    expect(updates[1]).toEqual({ ...rowsOf(3), hintedAtMs: 700, readMs: 10, source: 'database' });
  });

  test('hints during a read cause exactly one more, dated by the first of them', () => {
    const { runUntil, at, hint, table, readsAtMs, updates } = createWorld({ readMs: 50 });
    at(200, hint);
    at(210, () => {
      table.rows = rowsOf(4);
      hint();
    });
    at(220, hint);
    at(230, hint);
    runUntil(1000);
    expect(readsAtMs).toEqual([0, 200, 250]);
    expect(updates[1]).toMatchObject({ hintedAtMs: 210 });
  });

  test('the poll reads when nobody hints, and every read restarts it', () => {
    const { runUntil, at, hint, readsAtMs } = createWorld({ readMs: 0 });
    at(3000, hint);
    runUntil(14_000);
    expect(readsAtMs).toEqual([0, 3000, 8000, 13_000]);
  });

  test('a hint that comes while an update is handed out is not lost', () => {
    const hints = new Subject<{ readonly atMs: number }>();
    const scheduler = new VirtualTimeScheduler(undefined, 100);
    let reads = 0;
    backendRows$({
      hints$: hints,
      read: () => [rowsOf((reads += 1))],
      reloadIntervalMs: RELOAD_MS,
      onEvent: () => {},
      now: () => scheduler.now(),
      random: () => 0.5,
      scheduler,
    }).subscribe(({ backends }) => {
      if (backends.length < 3) hints.next({ atMs: 0 });
    });
    scheduler.flush();
    expect(reads).toBe(3);
  });

  test('takes promises', async () => {
    const update = Promise.withResolvers<RowsUpdate>();
    const subscription = backendRows$({
      hints$: NEVER,
      read: () => Promise.resolve(rowsOf(1)),
      reloadIntervalMs: RELOAD_MS,
      onEvent: () => {},
      now: () => 0,
      random: () => 0.5,
    }).subscribe((one) => update.resolve(one));
    expect(await update.promise).toMatchObject(rowsOf(1));
    subscription.unsubscribe();
  });
});

describe('equal results', () => {
  test('are dropped, and counted as reads that succeeded', () => {
    const { runUntil, updates, eventsOf } = createWorld();
    runUntil(21_000);
    expect(updates).toHaveLength(1);
    expect(eventsOf('READ_SUCCEEDED').map((event) => 'isChange' in event && event.isChange)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  test('are dropped from the first on, when these backends are in use already', () => {
    const { runUntil, updates } = createWorld({ initial: rowsOf(2).backends });
    runUntil(21_000);
    expect(updates).toEqual([]);
  });

  test('are not equal when another row is skipped', () => {
    const { runUntil, at, table, hint, updates } = createWorld();
    at(100, () => {
      table.rows = { ...rowsOf(2), skipped: BAD_ROW.skipped };
      hint();
    });
    at(200, hint);
    runUntil(300);
    expect(updates.map(({ skipped }) => skipped.length)).toEqual([0, 1]);
  });
});

describe('sudden emptiness', () => {
  test('is applied when a second read agrees after the delay', () => {
    const { runUntil, at, hint, table, readsAtMs, updates, events } = createWorld();
    at(1000, () => {
      table.rows = rowsOf(0);
      hint();
    });
    runUntil(3000);
    expect(readsAtMs).toEqual([0, 1000, 1010 + EMPTY_CONFIRM_MS]);
    expect(countsOf(updates)).toEqual([2, 0]);
    expect(updates[1]).toMatchObject({ hintedAtMs: 1000 });
    expect(events).toContainEqual({ type: 'EMPTY_READ_HELD', heldBackends: 2 });
  });

  test('is forgotten when the rows come back in time', () => {
    const { runUntil, at, hint, table, updates, eventsOf } = createWorld();
    at(1000, () => {
      table.rows = rowsOf(0);
      hint();
    });
    at(1100, () => {
      table.rows = rowsOf(2);
    });
    runUntil(20_000);
    expect(countsOf(updates)).toEqual([2]);
    expect(eventsOf('EMPTY_READ_HELD')).toHaveLength(1);
  });

  test('is not believed sooner because of more hints', () => {
    const { runUntil, at, hint, table, updates } = createWorld();
    at(1000, () => {
      table.rows = rowsOf(0);
      hint();
    });
    for (let ms = 1020; ms < 1240; ms += 20) at(ms, hint);
    runUntil(1250);
    expect(countsOf(updates)).toEqual([2]);
    runUntil(1300);
    expect(countsOf(updates)).toEqual([2, 0]);
  });

  test('counts against the backends that are in use from the start', () => {
    const { runUntil, updates } = createWorld({ initial: rowsOf(2).backends, rows: rowsOf(0) });
    runUntil(EMPTY_CONFIRM_MS);
    expect(updates).toEqual([]);
    runUntil(EMPTY_CONFIRM_MS + 20);
    expect(countsOf(updates)).toEqual([0]);
  });

  test.each<[string, ParsedRows, ParsedRows]>([['the last one of one', rowsOf(1), rowsOf(0)]])(
    'is none for %s',
    (_title, before, after) => {
      const { runUntil, at, hint, table, updates } = createWorld({ rows: before });
      at(100, () => {
        table.rows = after;
        hint();
      });
      runUntil(200);
      expect(updates).toHaveLength(2);
    },
  );
});

test('rows that all turn bad at once are held like rows that are gone, then believed', () => {
  const { runUntil, at, hint, table, updates, events } = createWorld({ rows: rowsOf(2) });
  at(100, () => {
    table.rows = BAD_ROW;
    hint();
  });
  runUntil(340);
  expect(updates).toHaveLength(1);
  expect(events).toContainEqual({ type: 'EMPTY_READ_HELD', heldBackends: 2 });
  runUntil(1_000);
  expect(updates).toHaveLength(2);
});

describe('a failed read', () => {
  test('is told, keeps what was, and is tried again within a second', () => {
    const { runUntil, at, hint, table, readsAtMs, updates, events } = createWorld();
    const error = new Error('the database is gone');
    at(1000, () => {
      table.rows = rowsOf(3);
      table.failure = error;
      hint();
    });
    at(1700, () => {
      table.failure = undefined;
    });
    runUntil(4000);
    expect(readsAtMs).toEqual([0, 1000, 1760]);
    expect(events).toContainEqual({ type: 'READ_FAILED', error, failures: 1, retryInMs: 750 });
    expect(countsOf(updates)).toEqual([2, 3]);
    expect(updates[1]).toMatchObject({ hintedAtMs: 1000 });
  });

  test('is tried again with growing delays, up to the reload interval, for ever', () => {
    const { runUntil, table, eventsOf } = createWorld();
    table.failure = new Error('down');
    runUntil(60_000);
    const delays = eventsOf('READ_FAILED').map((event) => 'retryInMs' in event && event.retryInMs);
    expect(delays.slice(0, 5)).toEqual([750, 1500, 3000, RELOAD_MS, RELOAD_MS]);
    expect(delays.length).toBeGreaterThan(10);
  });

  test('is tried again at the next hint, and delays start over after a success', () => {
    const { runUntil, at, hint, table, readsAtMs, eventsOf } = createWorld();
    table.failure = new Error('down');
    at(100, hint);
    at(120, hint);
    at(150, () => {
      table.failure = undefined;
      hint();
    });
    at(200, () => {
      table.failure = new Error('down again');
      hint();
    });
    runUntil(300);
    expect(readsAtMs).toEqual([0, 100, 120, 150, 200]);
    expect(eventsOf('READ_FAILED').map((event) => 'failures' in event && event.failures)).toEqual([1, 2, 1]);
  });

  test.each<[string, () => Observable<ParsedRows>]>([
    [
      'throws',
      () => {
        throw new Error('at once');
      },
    ],
    ['rejects', () => throwError(() => new Error('rejected'))],
    ['ends without a value', () => defer(() => [])],
  ])('may be one that %s', (_title, read) => {
    const events: RowsEvent[] = [];
    const subscription = backendRows$({
      hints$: NEVER,
      read,
      reloadIntervalMs: RELOAD_MS,
      onEvent: (event) => events.push(event),
      now: () => 0,
      random: () => 0.5,
      scheduler: new VirtualTimeScheduler(),
    }).subscribe();
    expect(events).toMatchObject([{ type: 'READ_FAILED', failures: 1 }]);
    expect(subscription.closed).toBe(false);
    subscription.unsubscribe();
  });
});

test('without hints, because their stream failed, the poll goes on', () => {
  const error = new Error('no hints');
  const { runUntil, readsAtMs, events } = createWorld({ hints$: throwError(() => error), readMs: 0 });
  runUntil(11_000);
  expect(events).toContainEqual({ type: 'HINTS_FAILED', error });
  expect(readsAtMs).toEqual([0, 5000, 10_000]);
});

test('unsubscribing stops the read, the poll and the hints', () => {
  const { runUntil, at, hint, subscription, readsAtMs, updates, events } = createWorld({ readMs: 50 });
  at(20, () => subscription.unsubscribe());
  at(100, hint);
  runUntil(60_000);
  expect(readsAtMs).toEqual([0]);
  expect(updates).toEqual([]);
  expect(events).toEqual([]);
});

test('unsubscribing between two reads stops the poll', () => {
  const { runUntil, at, subscription, readsAtMs } = createWorld();
  at(100, () => subscription.unsubscribe());
  runUntil(60_000);
  expect(readsAtMs).toEqual([0]);
});

describe('any interleaving of commits, hints, failures and slow reads', () => {
  const step = fc.record({
    afterMs: fc.integer({ min: 0, max: 2000 }),
    backends: fc.integer({ min: 0, max: 4 }),
    hintAfterMs: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined }),
    readMs: fc.integer({ min: 0, max: 1500 }),
    isFailing: fc.boolean(),
  });

  test('ends with what was committed last', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const world = createWorld();
        let ms = 0;
        for (const [index, { afterMs, backends, hintAfterMs, readMs, isFailing }] of steps.entries()) {
          ms += afterMs;
          world.at(ms, () => {
            world.table.rows = rowsOf(backends, index);
            world.table.readMs = readMs;
            world.table.failure = isFailing ? new Error('failed') : undefined;
          });
          if (hintAfterMs !== undefined) world.at(ms + hintAfterMs, world.hint);
        }
        world.at(ms + 1, () => {
          world.table.failure = undefined;
        });
        world.runUntil(ms + 4 * RELOAD_MS);

        const { backends } = world.updates.at(-1) ?? {};
        expect(backends).toEqual(world.table.rows.backends);
        expect(world.subscription.closed).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  test('a hinted commit is handed out after two reads at most, without the poll', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 0, max: 200 }),
        (pauses, readMs) => {
          const world = createWorld({ readMs });
          let ms = 0;
          for (const [index, pause] of pauses.entries()) {
            ms += pause;
            world.at(ms, () => {
              world.table.rows = rowsOf(3, index);
              world.hint();
            });
          }
          world.runUntil(ms + 2 * readMs);
          expect(world.updates.at(-1)?.backends).toEqual(world.table.rows.backends);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
