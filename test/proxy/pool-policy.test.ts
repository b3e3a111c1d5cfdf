import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PoolPolicy, poolSweepMs } from '../../src/proxy/pool-policy.ts';

const SETTINGS = {
  maxPerBackend: 10,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 300_000,
  connectTimeoutMs: 5_000,
};
const aPolicy = (settings: Partial<typeof SETTINGS> = {}, random = () => 0.5) =>
  new PoolPolicy({ ...SETTINGS, ...settings }, random);

/** How many it wants after clients have come for so long at an even pace. */
function wantedAt(perSecond: number, connectMs: number, maxPerBackend = 1_000): number {
  const policy = aPolicy({ maxPerBackend });
  policy.connected(connectMs);
  let nowMs = 0;
  for (let client = 0; client < 20 * perSecond; client++) policy.arrived((nowMs += 1_000 / perSecond));
  return policy.wanted(nowMs);
}

describe('PoolPolicy', () => {
  it('wants nothing before the first client, one or two after it, and nothing after a long silence', () => {
    const policy = aPolicy();
    expect(policy.wanted(0)).toBe(0);
    policy.arrived(1_000);
    expect(policy.wanted(1_000)).toBe(1);
    policy.connected(20);
    expect(policy.wanted(1_000)).toBe(2);
    expect(policy.wanted(60_999)).toBeGreaterThan(0);
    expect(policy.wanted(61_000)).toBe(0);
  });

  it.each([
    [10, 0, 1],
    [10, 20, 3],
    [100, 20, 6],
    [1_000, 20, 30],
    [1_000, 100, 121],
  ])('wants for %i clients a second and a connect of %i ms about %i', (perSecond, connectMs, about) => {
    expect(Math.abs(wantedAt(perSecond, connectMs) - about)).toBeLessThanOrEqual(1);
  });

  it('never exceeds the cap, is never below what arrives during a connect, and follows the rate down', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 50 }),
        (perSecond, connectMs, cap) => {
          const wanted = wantedAt(perSecond, connectMs, cap);
          expect(wanted).toBeLessThanOrEqual(cap);
          expect(wanted).toBeGreaterThanOrEqual(Math.min(cap, Math.floor((perSecond * connectMs) / 1_000)));
        },
      ),
      { numRuns: 50 },
    );
    const policy = aPolicy({ maxPerBackend: 100 });
    policy.connected(100);
    for (let ms = 0; ms < 5_000; ms += 2) policy.arrived(ms);
    let last = policy.wanted(5_000);
    expect(last).toBeGreaterThan(50);
    for (let ms = 5_000; ms < 30_000; ms += 100) {
      expect(policy.wanted(ms)).toBeLessThanOrEqual(last);
      last = policy.wanted(ms);
    }
    expect(last).toBe(2);
  });

  it('serves nearly all clients that come by chance, by so many that it wants', () => {
    const CONNECT_MS = 20;
    // A fixed sequence, so that the test tells the same each time.
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (const perSecond of [5, 50, 500]) {
      const policy = aPolicy({ maxPerBackend: 200 });
      policy.connected(CONNECT_MS);
      const ready: number[] = [];
      let [nowMs, hits, clients] = [0, 0, 0];
      // Until it knows the rate.
      const settledMs = 4_000;
      while (clients < 4_000) {
        nowMs += (-Math.log(1 - random()) * 1_000) / perSecond;
        if (nowMs >= settledMs) clients++;
        policy.arrived(nowMs);
        const index = ready.findIndex((readyMs) => readyMs <= nowMs);
        if (index >= 0) {
          ready.splice(index, 1);
          if (nowMs >= settledMs) hits++;
        }
        while (ready.length < policy.wanted(nowMs)) ready.push(nowMs + CONNECT_MS);
      }
      expect(hits / clients).toBeGreaterThan(0.95);
    }
  });

  it('waits after a failure, longer after each, never for more than half a minute, and not after a hit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(40_000), { maxLength: 60 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (gaps, jitter) => {
          const policy = aPolicy({}, () => jitter);
          let nowMs = 0;
          for (const gapMs of gaps) {
            nowMs += gapMs;
            const mayConnect = policy.mayConnect(nowMs);
            policy.failed(nowMs);
            expect(policy.mayConnect(nowMs)).toBe(false);
            expect(policy.mayConnect(nowMs + 30_000)).toBe(true);
            if (mayConnect) expect(policy.mayConnect(nowMs + 249)).toBe(false);
          }
          policy.served();
          policy.failed(nowMs + 30_000);
          expect(policy.mayConnect(nowMs + 30_500)).toBe(true);
        },
      ),
    );
  });

  it('looks at connections often enough for its shortest timeout', () => {
    expect(poolSweepMs(SETTINGS)).toBe(500);
    expect(poolSweepMs({ ...SETTINGS, idleTimeoutMs: 1_000 })).toBe(250);
    expect(poolSweepMs({ ...SETTINGS, connectTimeoutMs: 4 })).toBe(10);
  });
});
