import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MOST_APPS } from '../../src/proxy/apps.ts';
import { wakerOf } from '../../src/proxy/epoll/waker.ts';
import type { Sys } from '../../src/proxy/sys/sys.ts';
import {
  leaveQueues,
  newWaitQueueMemory,
  WaitQueue,
  WaitQueues,
  waitingIn,
} from '../../src/proxy/wait-queue.ts';

const THREADS = 3;
const MOST = 4;

/** Its last one. */
const APP = MOST_APPS - 1;

/** One line a thread for one app, as engines keep them. */
function lines(firstTicket = 0, app = APP, memory = newWaitQueueMemory(THREADS)) {
  memory[1] = firstTicket;
  const bounds = { maxWaiting: MOST, timeoutMs: 1_000 };
  const woken: number[] = [];
  const threads = Array.from({ length: THREADS }, (_, thread) => {
    const queue = new WaitQueue(memory, bounds, { thread, app }, (other) => void woken.push(other));
    const line: number[] = [];
    return { queue, line, publish: () => queue.publish(line[0] ?? 0) };
  });
  return { memory, bounds, threads, woken };
}

const thread = fc.nat(THREADS - 1);
const step = fc.oneof(
  fc.record({ do: fc.constant('join' as const), thread }),
  fc.record({ do: fc.constant('leave' as const), thread, which: fc.nat() }),
  fc.record({ do: fc.constant('free' as const), thread }),
  fc.record({ do: fc.constant('bound' as const), maxWaiting: fc.nat(6) }),
);

describe('the queue of several threads', () => {
  it('is bounded, and turns come in the order of coming, whichever thread frees a place', () => {
    const tickets = fc.constantFrom(0, 5, 2_147_483_645, -3);
    fc.assert(
      fc.property(tickets, fc.array(step, { maxLength: 60 }), (firstTicket, steps) => {
        const { memory, bounds, threads, woken } = lines(firstTicket);
        const order: { readonly thread: number; readonly ticket: number }[] = [];
        const remove = (one: { readonly thread: number; readonly ticket: number }): void => {
          order.splice(order.indexOf(one), 1);
          const { queue, line, publish } = threads[one.thread]!;
          line.splice(line.indexOf(one.ticket), 1);
          queue.leave();
          publish();
        };
        for (const action of steps) {
          if (action.do === 'bound') {
            bounds.maxWaiting = action.maxWaiting;
            continue;
          }
          const { queue, line, publish } = threads[action.thread]!;
          if (action.do === 'join') {
            const ticket = queue.join();
            expect(ticket === 0).toBe(order.length >= bounds.maxWaiting);
            if (ticket === 0) continue;
            order.push({ thread: action.thread, ticket });
            line.push(ticket);
            publish();
          } else if (action.do === 'leave') {
            const one = order[action.which % Math.max(1, order.length)];
            if (one !== undefined) remove(one);
          } else {
            const [first] = order;
            for (const { line: other, queue: own } of threads)
              if (other[0] !== undefined) expect(own.isFirst(other[0])).toBe(other[0] === first!.ticket);
            queue.wakeFirst();
            const isElsewhere = first !== undefined && first.thread !== action.thread;
            expect(woken.splice(0)).toEqual(isElsewhere ? [first.thread] : []);
            if (first !== undefined) remove(first);
          }
          expect(waitingIn(memory)).toBe(order.length);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('forgets the clients of a thread that has died, and wakes who comes next', () => {
    const { memory, bounds, threads, woken } = lines();
    for (const index of [0, 0, 1]) {
      const { queue, line, publish } = threads[index]!;
      line.push(queue.join());
      publish();
    }
    leaveQueues(memory, bounds, 0, (other) => void woken.push(other));
    expect([waitingIn(memory), woken]).toEqual([1, [1]]);
    expect(threads[2]!.queue.isAnybodyWaiting).toBe(true);
    expect(threads[1]!.queue.isFirst(threads[1]!.line[0]!)).toBe(true);
  });

  it('wakes who waits longest in a thread of Node, by its bell, when a data thread has died', () => {
    const { memory, bounds, threads } = lines();
    for (const { queue, line, publish } of [threads[2]!, threads[1]!]) {
      line.push(queue.join());
      publish();
    }
    const written: number[] = [];
    const rung: number[] = [];
    const sys = { addressOf: () => 0n, write: (fd: number) => written.push(fd) } as unknown as Sys;
    const wakeFds = [100, 101];
    const wake = wakerOf(sys, wakeFds, { ring: (other) => void rung.push(other) });
    leaveQueues(memory, bounds, 0, wake);
    expect([written, rung]).toEqual([[], [2]]);
    threads[2]!.queue.leave();
    leaveQueues(memory, bounds, 2, wake);
    expect([written, rung]).toEqual([[101], [2]]);
    wakeFds.length = 0;
    wake(1);
    expect([written, rung]).toEqual([[101], [2]]);
  });

  it('tells of a freed place whoever waits longest for each app, also for those that this thread has not had', () => {
    const memory = newWaitQueueMemory(THREADS);
    const bounds = { maxWaiting: MOST, timeoutMs: 1_000 };
    const woken: number[] = [];
    const [own, one, other] = Array.from(
      { length: THREADS },
      (_, index) => new WaitQueues(memory, bounds, index, (to) => void woken.push(to)),
    );
    own!.wakeOthers();
    expect([woken.splice(0), own!.isAnybodyWaitingFor(() => true)]).toEqual([[], false]);
    for (const [queues, app] of [
      [one!, APP],
      [other!, APP],
      [other!, 0],
    ] as const) {
      const queue = queues.of(app);
      queue.publish(queue.join());
    }
    own!.wakeOthers();
    expect(woken.splice(0)).toEqual([2, 1]);
    one!.wakeOthers();
    expect(woken.splice(0)).toEqual([2]);
    // Who waits here looks first.
    own!.of(0).publish(own!.of(0).join());
    own!.wakeOthers();
    expect(woken.splice(0)).toEqual([1]);
    expect([
      own!.isAnybodyWaitingFor((app) => app === APP),
      own!.isAnybodyWaitingFor((app) => app === 1),
    ]).toEqual([true, false]);
  });

  it('has an order for each app, and one bound for all of them', () => {
    const memory = newWaitQueueMemory(THREADS);
    const [one, other] = [lines(0, 1, memory), lines(0, 2, memory)];
    const tickets = [one.threads[0]!, one.threads[1]!, other.threads[2]!].map(({ queue, line, publish }) => {
      line.push(queue.join());
      publish();
      return line[0]!;
    });
    expect(other.threads[2]!.queue.isFirst(tickets[2]!)).toBe(true);
    expect(one.threads[1]!.queue.isFirst(tickets[1]!)).toBe(false);
    expect(lines(tickets[2], 3, memory).threads[0]!.queue.isAnybodyWaiting).toBe(false);
    other.threads[0]!.queue.wakeFirst();
    one.threads[2]!.queue.wakeFirst();
    expect([one.woken, other.woken]).toEqual([[0], [2]]);
    expect([one.threads[0]!.queue.join() > 0, other.threads[0]!.queue.join()]).toEqual([true, 0]);
    leaveQueues(memory, one.bounds, 0, () => {});
    expect(waitingIn(memory)).toBe(2);
  });
});
