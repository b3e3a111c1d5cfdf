import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Repeating } from '../../src/composition/repeating.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const step = fc.oneof(
  fc.record({ change: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ pass: fc.integer({ min: 0, max: 12 }) }),
);

describe('what is done again and again', () => {
  it('is done an interval after the last time, whichever interval that was, and not once it is stopped', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step, { maxLength: 30 }), (first, steps) => {
        const startedMs = Date.now();
        const now = (): number => Date.now() - startedMs;
        const times: number[] = [];
        const repeating = new Repeating(() => times.push(now()), first, now);
        const expected: number[] = [];
        let [intervalMs, lastMs] = [first, 0];
        for (const one of steps) {
          if ('change' in one) {
            intervalMs = one.change;
            repeating.change(intervalMs);
            continue;
          }
          for (let end = now() + one.pass, ms = now(); ms <= end; ms++) {
            if (ms < lastMs + intervalMs) continue;
            expected.push(ms);
            lastMs = ms;
          }
          vi.advanceTimersByTime(one.pass);
          expect(times).toEqual(expected);
        }
        repeating.stop();
        vi.advanceTimersByTime(100);
        expect(times).toEqual(expected);
      }),
    );
  });
});
