import { expect, it } from 'vitest';
import { microseconds, secondsOf } from '../../src/domain/rounding.ts';

it('rounds times to what people read', () => {
  expect([microseconds(0.123_456_789), microseconds(12)]).toEqual([0.123, 12]);
  expect([secondsOf(1_234.567_89), secondsOf(0)]).toEqual([1.235, 0]);
});
