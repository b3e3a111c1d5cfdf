import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Settling } from '../../../src/adapters/file/settling.ts';

const PATIENCE = { settleMs: 30, holdMs: 400 };

describe('Settling', () => {
  it('tells a whole state when it has lasted, and once', () => {
    const settling = new Settling('a', PATIENCE);
    expect(settling.see('b', true, 0)).toEqual({ inMs: 30 });
    expect(settling.see('b', true, 10)).toEqual({ inMs: 20 });
    expect(settling.see('b', true, 30)).toBe('settled');
    expect(settling.see('b', true, 31)).toBe('same');
  });

  it('waits longer for what is not whole, and anew for every state', () => {
    const settling = new Settling('a', PATIENCE);
    expect(settling.see('', false, 0)).toEqual({ inMs: 400 });
    expect(settling.see('b', true, 300)).toEqual({ inMs: 30 });
    expect(settling.see('', false, 310)).toEqual({ inMs: 400 });
    expect(settling.see('', false, 710)).toBe('settled');
  });

  it('forgets a candidate when the state is again as told', () => {
    const settling = new Settling('a', PATIENCE);
    settling.see('b', true, 0);
    expect(settling.see('a', true, 10)).toBe('same');
    expect(settling.see('b', true, 40)).toEqual({ inMs: 30 });
  });

  it('tells no state twice in a row, none before its time, and the last one that lasts', () => {
    const looks = fc.array(
      fc.record({ state: fc.constantFrom('a', 'b', 'c'), afterMs: fc.integer({ min: 0, max: 600 }) }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(looks, (all) => {
        const settling = new Settling('a', PATIENCE);
        const isWhole = (state: string): boolean => state !== 'c';
        let told = 'a';
        let nowMs = 0;
        let since = { state: 'a', ms: 0 };
        const see = (state: string): ReturnType<Settling['see']> => {
          if (state !== since.state) since = { state, ms: nowMs };
          const judgement = settling.see(state, isWhole(state), nowMs);
          if (judgement === 'settled') {
            expect(state).not.toBe(told);
            expect(nowMs - since.ms).toBeGreaterThanOrEqual(isWhole(state) ? 30 : 400);
            told = state;
          }
          return judgement;
        };
        for (const { state, afterMs } of all) {
          nowMs += afterMs;
          see(state);
        }
        const last = all.at(-1)?.state ?? 'a';
        const judgement = see(last);
        if (typeof judgement === 'object') {
          nowMs += judgement.inMs;
          expect(see(last)).toBe('settled');
        }
        expect(told).toBe(last);
      }),
    );
  });
});
