import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newNewsMemory, ScoreNews } from '../../src/proxy/score-news.ts';

const ENTRIES = newNewsMemory().length - 1;
const WRITERS = 2;

/** The news of two threads that write and one that reads; `heard` is what the reader has to know of anew. */
function aReader() {
  const logs = Array.from({ length: WRITERS + 1 }, newNewsMemory);
  const of = (index: number) =>
    new ScoreNews(
      logs[index]!,
      logs.filter((_, other) => other !== index),
    );
  const [reader, ...writers] = [of(0), of(1), of(2)];
  const follow = (): ReadonlySet<number> | 'everything' => {
    const heard = new Set<number>();
    let isAll = false;
    reader.follow(
      (slot) => heard.add(slot),
      () => (isAll = true),
    );
    return isAll ? 'everything' : heard;
  };
  return { logs, writers, follow };
}

describe('ScoreNews', () => {
  it('tells every slot that has changed, or that everything has, however far behind its reader is', () => {
    const lag = fc.oneof(
      { weight: 20, arbitrary: fc.nat(40) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(ENTRIES - 1, ENTRIES, ENTRIES + 1, 2 * ENTRIES, 3 * ENTRIES + 5),
      },
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ writer: fc.nat(WRITERS - 1), lag, slot: fc.nat(65_535) })),
        (turns) => {
          const { writers, follow } = aReader();
          for (const { writer, lag: count, slot } of turns) {
            const told = new Set<number>();
            for (let entry = 0; entry < count; entry++) {
              writers[writer]!.tell((slot + entry) % 65_536);
              told.add((slot + entry) % 65_536);
            }
            const heard = follow();
            if (heard === 'everything') expect(count).toBeGreaterThanOrEqual(ENTRIES);
            else expect(heard).toEqual(told);
            expect(follow()).toEqual(new Set());
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('takes an entry that is being written over for lost', () => {
    const { logs, writers, follow } = aReader();
    writers[0].tell(7);
    for (let entry = 1; entry < ENTRIES; entry++) writers[0].tell(1);
    // The next one lies where the oldest was, and is not counted yet.
    Atomics.store(logs[1]!, 1, 1);
    expect(follow()).toBe('everything');
  });

  it('goes on when its counters wrap around', () => {
    const { logs, writers } = aReader();
    Atomics.store(logs[1]!, 0, 0x7fff_fffe);
    const heard: number[] = [];
    const reader = new ScoreNews(logs[0]!, logs.slice(1));
    for (const slot of [1, 2, 3, 4]) writers[0].tell(slot);
    reader.follow(
      (slot) => heard.push(slot),
      () => heard.push(-1),
    );
    expect(heard).toEqual([1, 2, 3, 4]);
  });
});
