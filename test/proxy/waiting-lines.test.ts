import { expect, it } from 'vitest';
import type { Waiter } from '../../src/proxy/net/waiting-line.ts';
import { WaitingLines } from '../../src/proxy/net/waiting-lines.ts';
import { newWaitQueueMemory, WaitQueues } from '../../src/proxy/wait-queue.ts';

const BOUNDS = { maxWaiting: 9, timeoutMs: 60_000 };

/** The lines of so many threads, who hear what wakes them when they are asked to. */
function linesOf(threads: number) {
  const memory = newWaitQueueMemory(threads);
  const woken: number[] = [];
  const lines = Array.from(
    { length: threads },
    (_, thread) =>
      new WaitingLines({
        queues: new WaitQueues(memory, BOUNDS, thread, (other) => void woken.push(other)),
        serves: (app) => app === 1,
        now: () => 0,
      }),
  );
  /** How often somebody has been woken until nobody is any more, or more than `most` times. */
  const settle = async (most: number): Promise<number> => {
    for (let times = 0; ; times++) {
      await Promise.resolve();
      const thread = woken.shift();
      if (thread === undefined || times > most) return times;
      lines[thread]!.stir();
    }
  };
  return { lines, woken, settle };
}

/** Somebody who waits until there is a place. */
function aWaiter(takeTurn: () => boolean): Waiter {
  return { takeTurn, waitedTooLong: () => {} };
}

it('give a place that was freed in a thread that knows nobody of an app to one who waits for it elsewhere', async () => {
  const { lines, settle } = linesOf(2);
  const [one, other] = [lines[0]!, lines[1]!];
  let places = 0;
  const served = aWaiter(() => {
    if (places === 0) return false;
    places--;
    other.of(1).remove(served);
    return true;
  });
  other.of(1).add(served);
  await settle(10);
  expect([one.isCrowdedAt(0), places]).toEqual([true, 0]);
  places = 1;
  one.freed();
  await settle(10);
  expect([one.isCrowdedAt(0), places]).toEqual([false, 0]);
  other.close();
});

it('leave each other alone while two threads wait for two apps in vain', async () => {
  const { lines, settle } = linesOf(2);
  for (const [app, own] of lines.entries()) {
    // Each has had clients of both.
    lines.forEach((__, other) => own.of(other));
    own.of(app).add(aWaiter(() => false));
  }
  await settle(10);
  lines[0]!.freed();
  expect(await settle(10)).toBeLessThan(3);
  for (const own of lines) own.close();
});

it('give turns to who has waited longest first, whichever app it waits for', async () => {
  const { lines, settle } = linesOf(1);
  const own = lines[0]!;
  const turns: number[] = [];
  own.of(1);
  for (const app of [2, 1, 0])
    own.of(app).add(
      aWaiter(() => {
        turns.push(app);
        return false;
      }),
    );
  await settle(10);
  turns.length = 0;
  own.freed();
  await settle(10);
  expect(turns).toEqual([2, 1, 0]);
  own.close();
});
