import * as fc from 'fast-check';
import { map, Subject, timer, VirtualTimeScheduler } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { SqlSettingRow } from '../../src/config/sql-settings.ts';
import { settingRows$, type SettingRowsEvent } from '../../src/streams/setting-rows.ts';

const RELOAD_MS = 5_000;

/** So many rows, all with the value, which stands for what was committed. */
const rowsOf = (count: number, value = 1): readonly SqlSettingRow[] =>
  Array.from({ length: count }, (_, index) => ({ key: `key-${index}`, value, region: null, node: null }));

/** A stream on virtual time over a table that the test writes; a read sees the table as it was when it began. */
function createWorld(initial: readonly SqlSettingRow[] = rowsOf(2)) {
  const scheduler = new VirtualTimeScheduler();
  const hints$ = new Subject<void>();
  const told: (readonly SqlSettingRow[])[] = [];
  const events: SettingRowsEvent[] = [];
  const readsAtMs: number[] = [];
  const table: { rows: readonly SqlSettingRow[] | undefined; failure: Error | undefined; readMs: number } = {
    rows: initial,
    failure: undefined,
    readMs: 10,
  };
  let isReading = false;
  const subscription = settingRows$({
    hints$,
    read() {
      expect(isReading).toBe(false);
      isReading = true;
      readsAtMs.push(scheduler.now());
      const { rows, failure } = table;
      return timer(table.readMs, scheduler).pipe(
        map(() => {
          isReading = false;
          if (failure !== undefined) throw failure;
          return rows;
        }),
      );
    },
    reloadIntervalMs: RELOAD_MS,
    initial,
    onEvent: (event) => events.push(event),
    scheduler,
  }).subscribe((rows) => told.push(rows));
  return {
    told,
    events,
    readsAtMs,
    table,
    hints$,
    at: (ms: number, act: () => void): void => {
      scheduler.schedule(act, ms);
    },
    run(untilMs: number): void {
      scheduler.schedule(() => subscription.unsubscribe(), untilMs);
      scheduler.flush();
    },
  };
}

describe('settingRows$', () => {
  it('reads at once, tells what is news, and drops what is not', () => {
    const world = createWorld();
    world.at(100, () => {
      world.table.rows = rowsOf(2, 5);
      world.hints$.next();
    });
    world.at(1_000, () => world.hints$.next());
    world.run(2_000);
    expect(world.readsAtMs).toEqual([0, 100, 1_000]);
    expect(world.told).toEqual([rowsOf(2, 5)]);
    expect(world.events.map((event) => event.type === 'READ' && event.isChange)).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('polls where nobody hints', () => {
    const world = createWorld();
    world.at(1_000, () => (world.table.rows = rowsOf(3)));
    world.run(12_000);
    expect(world.readsAtMs).toEqual([0, 5_010, 10_020]);
    expect(world.told).toEqual([rowsOf(3)]);
  });

  it('reads once more for a hint during a read, and seldom for a storm of hints', () => {
    const world = createWorld();
    world.at(5, () => {
      world.table.rows = rowsOf(3);
      world.hints$.next();
    });
    for (let ms = 1_000; ms < 2_000; ms++) world.at(ms, () => world.hints$.next());
    world.run(2_100);
    expect(world.told).toEqual([rowsOf(3)]);
    expect(world.readsAtMs.slice(0, 2)).toEqual([0, 60]);
    const gaps = world.readsAtMs.slice(1).map((ms, index) => ms - world.readsAtMs[index]!);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(50);
  });

  it('keeps what was when a read fails or the table is not there', () => {
    const world = createWorld();
    world.at(100, () => {
      world.table.failure = new Error('no');
      world.hints$.next();
    });
    world.at(1_000, () => {
      Object.assign(world.table, { failure: undefined, rows: undefined });
      world.hints$.next();
    });
    world.at(2_000, () => {
      world.table.rows = rowsOf(1);
      world.hints$.next();
    });
    world.run(3_000);
    expect(world.events.map(({ type }) => type)).toEqual(['READ', 'READ_FAILED', 'ABSENT', 'READ']);
    expect(world.told).toEqual([rowsOf(1)]);
  });

  it('believes that several rows are gone only when it lasts', () => {
    const world = createWorld();
    const write = (rows: readonly SqlSettingRow[]): void => {
      world.table.rows = rows;
      world.hints$.next();
    };
    world.at(100, () => write([]));
    world.at(200, () => write(rowsOf(2)));
    world.at(1_000, () => write([]));
    world.run(2_000);
    expect(world.events.filter(({ type }) => type === 'EMPTY_READ_HELD')).toHaveLength(2);
    expect(world.told).toEqual([[]]);
  });

  it('tells at once that the only row is gone', () => {
    const world = createWorld(rowsOf(1));
    world.at(100, () => {
      world.table.rows = [];
      world.hints$.next();
    });
    world.run(111);
    expect(world.told).toEqual([[]]);
  });

  it('ends with what is in the table, whatever happens before, and tells nothing twice in a row', () => {
    const change = fc.record({
      atMs: fc.integer({ min: 0, max: 20_000 }),
      count: fc.integer({ min: 0, max: 3 }),
      value: fc.integer({ min: 0, max: 2 }),
      isHinted: fc.boolean(),
      isFailing: fc.boolean(),
      readMs: fc.integer({ min: 0, max: 200 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const world = createWorld();
        for (const { atMs, count, value, isHinted, isFailing, readMs } of changes) {
          world.at(atMs, () => {
            const failure = isFailing ? new Error('no') : undefined;
            Object.assign(world.table, { rows: rowsOf(count, value), failure, readMs });
            if (isHinted) world.hints$.next();
          });
        }
        world.at(20_001, () => (world.table.failure = undefined));
        world.run(40_000);
        expect(world.told.at(-1) ?? rowsOf(2)).toEqual(world.table.rows);
        for (const [index, rows] of world.told.entries()) {
          expect(rows).not.toEqual(index === 0 ? rowsOf(2) : world.told[index - 1]);
        }
      }),
    );
  });
});
