import { Worker } from 'node:worker_threads';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SET_BUCKETS } from '../../src/proxy/bucket-table.ts';
import { newRateLimiterMemory, type RateLimitConfig, RateLimiter } from '../../src/proxy/rate-limiter.ts';
import { sharedInts } from '../../src/proxy/shared-columns.ts';
import { ExactBucket } from '../support/exact-bucket.ts';
import type { RateLimit } from '../../src/domain/token-bucket.ts';
import type { LimiterOrders } from '../support/limiter-thread.ts';
import { once } from '../support/sockets.ts';

const THREADS = 3;
/** Of the first set of buckets. */
const LOCK_CELL = 0;
const LIMIT = { maxRequests: 100, windowMs: 1_000, burstSize: 3 };
/** One set: as small as it gets. */
const SMALL = { ...LIMIT, maxClients: SET_BUCKETS };

/** The same limiter for several threads, on a clock of the test's. */
function aLimiterOfEachThread(config: RateLimitConfig) {
  const clock = { ms: 0 };
  const now = (): number => clock.ms;
  const memory = newRateLimiterMemory(config, now);
  const threads = Array.from(
    { length: THREADS },
    (_, index) => new RateLimiter({ memory, now, holder: index + 1 }),
  );
  return { clock, memory, threads };
}

function aLimiter(config: RateLimitConfig) {
  const { clock, threads } = aLimiterOfEachThread(config);
  const limiter = threads[0]!;
  /** How many of so many requests are admitted. */
  const admitted = (client: string, requests: number): number =>
    Array.from({ length: requests }, () => limiter.check(client)).filter(Boolean).length;
  return { clock, limiter, admitted };
}

const clientOf = (number: number): string => `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;

/** Texts that mean one client each, with a prefix of 64 bits. */
const SPELLINGS = [
  ['192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201'],
  ['192.0.2.2'],
  ['2001:db8::1', '2001:db8::ffff:ffff:ffff:ffff', '2001:db8:0:0:8000::'],
  ['2001:db8:0:1::1', '2001:db8:0:1:ffff::'],
  ['2001:db8:1::1'],
  ['::1', '::2'],
] as const;

const step = fc.record({
  thread: fc.nat(THREADS - 1),
  client: fc
    .nat(SPELLINGS.length - 1)
    .chain((client) =>
      fc.record({ client: fc.constant(client), text: fc.constantFrom(...SPELLINGS[client]!) }),
    ),
  waitMs: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.nat(15) },
    fc.nat(50),
  ),
  asks: fc.boolean(),
});

describe('RateLimiter', () => {
  it('is one exact bucket for each client, over all threads and spellings of an address', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { clock, threads } = aLimiterOfEachThread(LIMIT);
        const models = SPELLINGS.map(() => new ExactBucket(LIMIT));
        for (const { thread, client, waitMs, asks } of steps) {
          clock.ms += waitMs;
          const [limiter, model] = [threads[thread]!, models[client.client]!];
          if (asks) expect(limiter.remaining(client.text)).toBe(model.wholeTokens(clock.ms * 1_000));
          else expect(limiter.check(client.text)).toBe(model.check(clock.ms * 1_000));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('never refuses whom the exact bucket has a token for, and gives a burst only to whom it had to forget', () => {
    const steps = fc.array(fc.record({ client: fc.nat(39), waitMs: fc.oneof(fc.constant(0), fc.nat(12)) }), {
      maxLength: 400,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const { clock, threads } = aLimiterOfEachThread(SMALL);
        const models = new Map<number, ExactBucket>();
        let forgotten = 0;
        for (const [index, { client, waitMs }] of all.entries()) {
          clock.ms += waitMs;
          const model = models.get(client) ?? new ExactBucket(SMALL);
          models.set(client, model);
          const isAdmitted = threads[index % THREADS]!.check(clientOf(client));
          const isDue = model.check(clock.ms * 1_000);
          expect(isAdmitted || !isDue).toBe(true);
          if (isDue === isAdmitted) continue;
          forgotten++;
          model.fill();
          model.check(clock.ms * 1_000);
        }
        expect(threads[0]!.report().evictedEarly).toBeGreaterThanOrEqual(forgotten);
      }),
      { numRuns: 1_000 },
    );
  });

  it('evicts full buckets first and loses nothing by that, then the one that is nearest to full', () => {
    const { clock, limiter, admitted } = aLimiter(SMALL);
    for (let client = 0; client < SET_BUCKETS; client++) admitted(clientOf(client), 3);
    clock.ms = 30;
    // All are full again; one is used, the others are strangers' from now on.
    expect(admitted('192.0.2.1', 9)).toBe(3);
    for (let client = 20; client < 20 + SET_BUCKETS - 1; client++) admitted(clientOf(client), 1);
    expect(limiter.report()).toEqual({ evictedEarly: 0 });
    expect(limiter.remaining('192.0.2.1')).toBe(0);

    admitted(clientOf(25), 1);
    clock.ms = 35;
    // Nobody is full, and all but three lack half a token.
    for (let client = 20; client < 20 + SET_BUCKETS - 1; client++)
      if (client !== 30) admitted(clientOf(client), 1);
    expect(admitted('192.0.2.2', 3)).toBe(3);
    expect(limiter.report()).toEqual({ evictedEarly: 1 });
    expect(limiter.remaining(clientOf(30))).toBe(3);
    expect([limiter.remaining('192.0.2.1'), limiter.remaining(clientOf(25))]).toEqual([0, 0]);
  });

  it('remembers 100,000 clients in 2 MB, and no more memory for a million', () => {
    const { clock, limiter, admitted } = aLimiter(LIMIT);
    const { ints } = limiter.memory.table;
    expect(ints.byteLength).toBeLessThan(2_000_000);
    const half = 50_000;
    for (let client = 0; client < half; client++) admitted(clientOf(client), 3);
    const held = Array.from({ length: half }, (_, client) => limiter.remaining(clientOf(client)));
    // By chance some sets get more than 15 of the clients that lack tokens: far below one in a hundred.
    expect(held.filter((tokens) => tokens > 0).length).toBeLessThan(half / 100);
    expect(limiter.report().evictedEarly).toBeLessThan(half / 100);
    let refused = 0;
    for (let client = half; client < 1_000_000; client++) {
      clock.ms += 0.01;
      if (!limiter.check(clientOf(client))) refused++;
    }
    expect(refused).toBe(0);
    expect(limiter.memory.table.ints).toBe(ints);
  });

  it('exempts networks, and tells them apart from clients that are limited', () => {
    const { limiter, admitted } = aLimiter({ ...LIMIT, exempt: ['10.0.0.0/8', '2001:db8::/32'] });
    expect(['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1'].map((client) => admitted(client, 50))).toEqual([
      50, 50, 50,
    ]);
    expect(limiter.remaining('10.1.2.3')).toBe(Infinity);
    expect([admitted('11.1.2.3', 50), limiter.remaining('11.1.2.3')]).toEqual([3, 0]);
  });

  it('goes by another limit in all threads at once, and keeps the share of each bucket', () => {
    const limit = fc.record({
      maxRequests: fc.constantFrom(1, 3, 100, 1_000),
      windowMs: fc.constantFrom(50, 1_000),
      burstSize: fc.integer({ min: 1, max: 6 }),
    });
    const change = fc.record({ limit, isOn: fc.constantFrom(true, true, true, false) });
    const steps = fc.array(fc.oneof({ weight: 8, arbitrary: step }, { weight: 1, arbitrary: change }), {
      maxLength: 120,
    });
    fc.assert(
      fc.property(fc.boolean(), steps, (isOnAtFirst, all) => {
        const { clock, threads } = aLimiterOfEachThread({ ...LIMIT, isOn: isOnAtFirst });
        let isOn = isOnAtFirst;
        let hasBeenOn = isOn;
        let present: RateLimit = LIMIT;
        const models = SPELLINGS.map(() => new ExactBucket(LIMIT));
        for (const one of all) {
          const nowUs = clock.ms * 1_000;
          if ('limit' in one) {
            threads[0]!.change(one.limit, one.isOn);
            for (const model of models) model.change(one.limit, nowUs);
            present = one.limit;
            isOn = one.isOn;
            hasBeenOn ||= isOn;
            continue;
          }
          clock.ms += one.waitMs;
          const [limiter, model] = [threads[one.thread]!, models[one.client.client]!];
          const atUs = clock.ms * 1_000;
          if (one.asks) {
            const expected = isOn ? model.wholeTokens(atUs) : Infinity;
            expect(limiter.remaining(one.client.text)).toBe(expected);
          } else expect(limiter.check(one.client.text)).toBe(!isOn || model.check(atUs));
        }
        if (!hasBeenOn) return;
        threads[0]!.change(present, true);
        for (const [client, model] of models.entries())
          for (const limiter of threads)
            expect(limiter.remaining(SPELLINGS[client]![0])).toBe(model.wholeTokens(clock.ms * 1_000));
      }),
      { numRuns: 1_000 },
    );
  });

  it('refuses another limit that is out of range, and keeps the one that it has', () => {
    const { limiter, admitted } = aLimiter(LIMIT);
    expect(() => limiter.change({ ...LIMIT, burstSize: 0 })).toThrow('burstSize = 0');
    expect(admitted('192.0.2.1', 5)).toBe(3);
  });

  it('has other networks exempt, and keeps what their clients had', () => {
    const { limiter, admitted } = aLimiter({ ...LIMIT, exempt: ['10.0.0.0/8'] });
    admitted('11.1.2.3', 2);
    limiter.exempt(['11.0.0.0/8']);
    expect([admitted('11.1.2.3', 50), admitted('10.1.2.3', 50)]).toEqual([50, 3]);
    limiter.exempt([]);
    expect(admitted('11.1.2.3', 50)).toBe(1);
  });

  it.each([
    [1, '2001:db8::', 'ffff::', '2001:db8::', '7fff:ffff::'],
    [48, '2001:db8:1::', '2001:db8:2::', '2001:db8:1::', '2001:db8:1:ffff::1'],
    [80, '2001:db8:0:0:1::', '2001:db8::', '2001:db8::', '2001:db8::ffff:0:0'],
    [112, '2001:db8::1:0', '2001:db8::', '2001:db8::', '2001:db8::ffff'],
    [96, '2001:db8::1:0:0', '2001:db8::', '2001:db8::', '2001:db8::ffff:ffff'],
    [128, '2001:db8::1', '2001:db8::', '2001:db8::', '2001:db8::0.0.0.0'],
  ])('takes %i bits of an IPv6 address for a client', (ipv6Prefix, one, other, same, alike) => {
    const { admitted } = aLimiter({ ...LIMIT, ipv6Prefix });
    expect([admitted(one, 3), admitted(other, 3)]).toEqual([3, 3]);
    const fresh = aLimiter({ ...LIMIT, ipv6Prefix });
    expect([fresh.admitted(same, 3), fresh.admitted(alike, 3)]).toEqual([3, 0]);
  });

  it.each([
    [64, ['0.0.0.1', '0:0:0:1::', '2001:db8:0:1::', '2001:db9:0:1::', '2001:db8:0:2::']],
    [96, ['0.0.0.1', '0:0:0:1::', '2001:db8:0:1::', '2001:db8:0:1:1::', '2001:db8:0:1:0:1::']],
    [
      128,
      ['0.0.0.1', '0:0:0:1::', '2001:db8:0:1::', '2001:db8:0:1::1', '2001:db8:0:1:1::', '2001:db9:0:1::'],
    ],
  ])('tells clients of one set apart that differ in any of %i bits', (ipv6Prefix, clients) => {
    const { limiter, admitted } = aLimiter({ ...SMALL, ipv6Prefix });
    expect(clients.map((client) => admitted(client, 5))).toEqual(clients.map(() => 3));
    expect(clients.map((client) => limiter.remaining(client))).toEqual(clients.map(() => 0));
  });

  it.each([
    [{ maxClients: 14 }, 'maxClients = 14: expected a whole number from 15 to 2147483'],
    [{ ipv6Prefix: 129 }, 'ipv6Prefix = 129: expected a whole number from 1 to 128'],
    [{ burstSize: 0 }, 'burstSize = 0: expected a whole number from 1 to 2147483647'],
    [{ exempt: ['10.0.0.1/8'] }, 'the network "10.0.0.1/8" has bits set after its prefix'],
  ])('refuses %j and says why', (wrong, message) => {
    expect(() => new RateLimiter({ ...LIMIT, ...wrong, now: () => 0 })).toThrow(message);
  });

  it('refuses what is no address and names it', () => {
    const { limiter } = aLimiter(LIMIT);
    expect(() => limiter.check('edge.example')).toThrow('"edge.example" is not an address');
    expect(() => limiter.remaining('')).toThrow('"" is not an address');
  });

  it('frees the bucket that a thread was changing when it died, and forgets that set alone', () => {
    const { memory, threads } = aLimiterOfEachThread(SMALL);
    const [survivor, dead, other] = threads as [RateLimiter, RateLimiter, RateLimiter];
    dead.check('192.0.2.1');
    memory.table.ints[LOCK_CELL] = 2;
    survivor.threadDied(3);
    expect(memory.table.ints[LOCK_CELL]).toBe(2);
    survivor.threadDied(2);
    expect([other.remaining('192.0.2.1'), other.check('192.0.2.1')]).toEqual([3, true]);
  });

  it('waits for no dead thread for ever, though nobody says that it is dead', () => {
    const { memory, threads } = aLimiterOfEachThread(SMALL);
    const [limiter] = threads as [RateLimiter];
    limiter.check('192.0.2.1');
    memory.table.ints[LOCK_CELL] = 99;
    expect([limiter.check('192.0.2.1'), limiter.remaining('192.0.2.1')]).toEqual([true, 1]);
    expect(memory.table.ints[LOCK_CELL]).toBe(0);
  });

  const [threads, rounds, burstSize] = [4, 50_000, 50];
  /** A token for each millisecond. */
  const config = { maxRequests: 1_000, windowMs: 1_000, burstSize };

  /** Has several threads ask for one client at the same time; resolves with how many times they were admitted. */
  async function storm(limiter: RateLimiter, clock: Int32Array<SharedArrayBuffer>): Promise<number> {
    const orders = { memory: limiter.memory, client: '192.0.2.1', rounds, clock, threads };
    const admitted = await Promise.all(
      Array.from({ length: threads }, async (_, thread) => {
        const workerData: LimiterOrders = { ...orders, holder: thread + 1 };
        const worker = new Worker(new URL('../support/limiter-thread.ts', import.meta.url), { workerData });
        const [count] = await once(worker, 'message');
        return count as number;
      }),
    );
    return admitted.reduce((total, count) => total + count, 0);
  }

  function aLimiterOnSharedTime() {
    const clock = sharedInts(2);
    return {
      clock,
      limiter: new RateLimiter({
        ...SMALL,
        ...config,
        now: () => Atomics.load(clock, 0),
        holder: threads + 1,
      }),
    };
  }

  it('admits exactly what is due to a client that several threads ask for at the same time', async () => {
    const { clock, limiter } = aLimiterOnSharedTime();
    const sum = await storm(limiter, clock);
    expect(clock[0]).toBeGreaterThan(rounds / 10);
    expect(sum + limiter.remaining('192.0.2.1')).toBe(burstSize + clock[0]!);
  });

  it('does so too while its rate changes all the time', async () => {
    const { clock, limiter } = aLimiterOnSharedTime();
    let [isOver, changes] = [false, 0];
    const change = (): void => {
      limiter.change({ ...config, maxRequests: changes++ % 2 === 0 ? 2_000 : 1_000 });
      if (!isOver) setImmediate(change);
    };
    change();
    const sum = await storm(limiter, clock);
    isOver = true;
    const rest = sum + limiter.remaining('192.0.2.1');
    expect(changes).toBeGreaterThan(100);
    expect(rest).toBeGreaterThanOrEqual(burstSize + clock[0]! - changes);
    expect(rest).toBeLessThanOrEqual(burstSize + 2 * clock[0]!);
  });
});
