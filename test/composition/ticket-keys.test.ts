import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { TicketKeys } from '../../src/composition/ticket-keys.ts';

const INTERVAL_MS = 1_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('are others after each interval, or when they are changed, and stay once they are stopped', () => {
  const seen: Uint8Array[] = [];
  const keys = new TicketKeys(INTERVAL_MS, () => seen.push(keys.present));
  const first = keys.present;
  expect(first).toHaveLength(48);
  vi.advanceTimersByTime(INTERVAL_MS - 1);
  expect(keys.present).toBe(first);
  vi.advanceTimersByTime(1 + INTERVAL_MS);
  keys.change();
  const all = [first, ...seen, keys.present].map((one) => Buffer.from(one).toString('hex'));
  expect(all).toHaveLength(4);
  expect(new Set(all).size).toBe(4);
  keys.stop();
  vi.advanceTimersByTime(2 * INTERVAL_MS);
  expect(seen).toHaveLength(2);
});
