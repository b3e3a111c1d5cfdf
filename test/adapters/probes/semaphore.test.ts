import { describe, expect, it } from 'vitest';
import { createSemaphore } from '../../../src/adapters/probes/semaphore.ts';

const never = (): AbortSignal => new AbortController().signal;

describe('places for probes', () => {
  it('go to thousands who wait, in order, past those who have left', async () => {
    const places = createSemaphore(1);
    const release = await places.acquire(never());
    const leaving = new AbortController();
    const served: number[] = [];
    const waiting = Array.from({ length: 6_000 }, async (_, index) => {
      const next = await places.acquire(index % 3 === 0 ? leaving.signal : never());
      served.push(index);
      next();
    });
    leaving.abort(new Error('gone'));
    release();
    const results = await Promise.allSettled(waiting);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(2_000);
    expect(served).toEqual(
      Array.from({ length: 6_000 }, (_, index) => index).filter((index) => index % 3 !== 0),
    );
    expect(places.inUse).toBe(0);
  });

  it('are given back once, however often that is said', async () => {
    const places = createSemaphore(2);
    const release = await places.acquire(never());
    await places.acquire(never());
    release();
    release();
    expect(places.inUse).toBe(1);
  });

  it('that are added go to who waits, and those taken away to nobody once they are given back', async () => {
    const places = createSemaphore(1);
    const releases = [await places.acquire(never())];
    let served = 0;
    const waiting = Array.from({ length: 5 }, async () => {
      releases.push(await places.acquire(never()));
      served += 1;
    });
    places.resize(3);
    await Promise.all(waiting.slice(0, 2));
    expect([served, places.inUse]).toEqual([2, 3]);
    places.resize(1);
    for (const release of releases.splice(0, 2)) release();
    await new Promise(setImmediate);
    expect([served, places.inUse]).toEqual([2, 1]);
    while (releases.length > 0) {
      releases.shift()!();
      await new Promise(setImmediate);
      expect(places.inUse).toBeLessThanOrEqual(1);
    }
    await Promise.all(waiting);
    expect([served, places.inUse]).toEqual([5, 0]);
  });

  it('are not given to who has left already', async () => {
    const places = createSemaphore(1);
    await expect(places.acquire(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(places.inUse).toBe(0);
  });
});
