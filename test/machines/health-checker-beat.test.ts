import { describe, expect, it } from 'vitest';
import { aChecker } from '../support/checker.ts';

describe('the first probe', () => {
  it('goes out at once', () => {
    const { pass, beganAtMs } = aChecker();
    pass(1);
    expect(beganAtMs).toHaveLength(1);
  });

  it('is spread over a tenth of the interval', () => {
    const { pass, beganAtMs } = aChecker({}, () => 0.999);
    pass(499);
    expect(beganAtMs).toEqual([]);
    pass(1);
    expect(beganAtMs).toEqual([500]);
  });

  it('is never more than a second late', () => {
    const { pass, beganAtMs } = aChecker({ intervalMs: 600_000 }, () => 0.999);
    pass(1_000);
    expect(beganAtMs).toEqual([999]);
  });
});

describe('the beat', () => {
  it('does not drift with the time that probes take', async () => {
    const { pass, passes, beganAtMs } = aChecker();
    pass(1);
    for (const tookMs of [0, 1_900, 300, 4_998]) {
      pass(tookMs);
      await passes();
      pass(5_000 - tookMs);
    }
    expect(beganAtMs).toEqual([1, 5_000, 10_000, 15_000, 20_000]);
  });

  it('does not drift with jitter, which is at most a tenth of the interval', async () => {
    let random = 0.5;
    const { pass, passes, beganAtMs } = aChecker({}, () => random);
    pass(250);
    for (random of [0.998, 0, 0.2]) {
      await passes();
      pass(5_500);
    }
    expect(beganAtMs).toEqual([250, 5_000 + 499, 10_000, 15_000 + 100]);
  });

  it('has one probe at a time: a slow one skips beats', async () => {
    const { pass, passes, beganAtMs } = aChecker();
    pass(12_000);
    expect(beganAtMs).toEqual([1]);
    await passes();
    pass(2_999);
    expect(beganAtMs).toEqual([1]);
    pass(1);
    expect(beganAtMs).toEqual([1, 15_000]);
  });

  it('takes over a longer interval from the last beat on', async () => {
    const { pass, passes, change, beganAtMs } = aChecker();
    pass(1);
    await passes();
    pass(2_000);
    change({ intervalMs: 8_000 });
    pass(20_000);
    expect(beganAtMs).toEqual([1, 8_000]);
  });

  it('takes over an interval changed during a probe from the beat of that probe on', async () => {
    const { pass, passes, change, beganAtMs } = aChecker();
    pass(1);
    await passes();
    pass(5_000);
    change({ intervalMs: 8_000 });
    await passes();
    pass(20_000);
    expect(beganAtMs).toEqual([1, 5_000, 13_000]);
  });

  it('takes over a shorter interval at once', async () => {
    const { pass, passes, change, beganAtMs } = aChecker();
    pass(1);
    await passes();
    pass(2_999);
    change({ intervalMs: 2_000 });
    pass(1);
    expect(beganAtMs).toEqual([1, 3_001]);
    await passes();
    pass(1_000);
    expect(beganAtMs).toEqual([1, 3_001, 4_000]);
  });

  it('late by a shorter interval, is not put off by further changes', async () => {
    const { pass, passes, change, beganAtMs } = aChecker({}, () => 0.999);
    pass(500);
    await passes();
    pass(2_500);
    for (let time = 0; time < 20; time++) {
      change({ intervalMs: 2_000 });
      pass(50);
    }
    expect(beganAtMs[1]).toBe(3_200);
  });

  it.each([
    ['before the first probe', 0],
    ['during a probe', 600],
  ])('takes over an interval changed %s once that is over', async (_, atMs) => {
    const { pass, passes, change, beganAtMs } = aChecker({}, () => 0.999);
    pass(atMs);
    change({ intervalMs: 60_000 });
    pass(700 - atMs);
    await passes();
    pass(70_000);
    expect(beganAtMs[1]).toBe(60_000 + 5_994);
  });
});
