import { describe, expect, it, vi } from 'vitest';
import { createFeedQueue, type FeedQueueOptions } from '../../../src/adapters/inspect/feed.ts';

function aQueue(options: Partial<FeedQueueOptions> = {}) {
  let closes = 0;
  const queue = createFeedQueue({
    maxQueued: 3,
    maxAnnounced: 5,
    collectMs: 0,
    onSkipped: (messages) => [() => ({ skipped: messages }), () => ({ state: 'now' })],
    onClose: () => (closes += 1),
    ...options,
  });
  return { queue, closes: () => closes };
}

describe('a feed', () => {
  it('tells in order what was announced and pushed', async () => {
    const { queue } = aQueue();
    queue.announce(() => ({ n: 1 }));
    queue.push(() => ({ n: 2 }));
    queue.announce(() => ({ n: 3 }));
    expect(await queue.next()).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
    queue.close();
  });

  it('answers a reader that was there first', async () => {
    const { queue } = aQueue();
    const reading = queue.next();
    queue.push(() => ({ n: 1 }));
    expect(await reading).toEqual(['{"n":1}']);
    queue.close();
  });

  it('makes a message only when it is read', async () => {
    const { queue } = aQueue();
    let made = 0;
    queue.push(() => ({ made: ++made }));
    expect(made).toBe(0);
    await queue.next();
    expect(made).toBe(1);
    queue.close();
  });

  it('skips for a slow reader and says how much, but keeps what was announced and ends with the present', async () => {
    const { queue } = aQueue();
    for (let n = 0; n < 3; n += 1) queue.push(() => ({ n }));
    queue.announce(() => ({ kept: true }));
    for (let n = 3; n < 10; n += 1) queue.push(() => ({ n }));
    expect(await queue.next()).toEqual(['{"kept":true}', '{"skipped":10}', '{"state":"now"}']);
    queue.push(() => ({ n: 10 }));
    expect(await queue.next()).toEqual(['{"n":10}']);
    queue.close();
  });

  it('looks through what waits once while it skips, not for every event', () => {
    const { queue } = aQueue();
    for (let n = 0; n < 4; n += 1) queue.announce(() => ({ n }));
    const filter = vi.spyOn(Array.prototype, 'filter');
    for (let n = 0; n < 1_000; n += 1) queue.push(() => ({ n }));
    const times = filter.mock.calls.length;
    filter.mockRestore();
    expect(times).toBe(1);
    queue.close();
  });

  it('tells much in batches', async () => {
    const { queue } = aQueue({ maxQueued: 1_000 });
    for (let n = 0; n < 450; n += 1) queue.push(() => ({ n }));
    const sizes = [];
    for (let batch = 0; batch < 3; batch += 1) sizes.push((await queue.next())?.length);
    expect(sizes).toEqual([200, 200, 50]);
    queue.close();
  });

  it('closes on a reader that lets even announcements pile up', async () => {
    const { queue, closes } = aQueue();
    for (let n = 0; n < 6; n += 1) queue.announce(() => ({ n }));
    expect(closes()).toBe(1);
    expect(await queue.next()).toBeUndefined();
  });

  it('ends for its reader when it is closed, once', async () => {
    const { queue, closes } = aQueue();
    const reading = queue.next();
    queue.close();
    queue.close();
    queue.push(() => ({ n: 1 }));
    expect(await reading).toBeUndefined();
    expect(await queue.next()).toBeUndefined();
    expect(closes()).toBe(1);
  });
});
