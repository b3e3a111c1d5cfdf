import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ConnectionLimits,
  COUNTED,
  limitRefusalOf,
  newConnectionLimitsMemory,
} from '../../src/proxy/connection-limits.ts';
import type { ConnectionBounds } from '../../src/proxy/engine-numbers.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';

const THREADS = 3;
/** Of the table of clients. */
const SIZE_CELL = 0;
const CLIENTS = [
  '10.0.0.1',
  '10.0.0.2',
  '2001:db8::1',
  '2001:db8::2',
  '2001:db8:0:1::1',
  '::ffff:10.0.0.1',
].map((text) => IpAddress.of(text));
/** The last one is the first, the two in the middle share a prefix. */
const SAME_AS = [0, 1, 2, 2, 4, 0];

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('enter' as const),
      thread: fc.nat(THREADS - 1),
      client: fc.nat(5),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('leave' as const), thread: fc.nat(THREADS - 1), which: fc.nat() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('bound' as const),
      maxConnections: fc.nat(6),
      maxPerClient: fc.nat(3),
    }),
  },
);

/** A client that is in, of which its thread knows where it is counted. */
interface Live {
  readonly client: number;
  readonly thread: number;
  counted: number;
}

function limitsOfEachThread(bounds: ConnectionBounds) {
  const memory = newConnectionLimitsMemory(64);
  const threads = Array.from(
    { length: THREADS },
    (_, index) => new ConnectionLimits(memory, bounds, index + 1),
  );
  return { memory, threads };
}

describe('the limits of connections', () => {
  it('let in as many as they say at the moment, whichever thread they come to, and as many again as have gone', () => {
    fc.assert(
      fc.property(fc.nat(6), fc.nat(3), fc.array(step, { maxLength: 80 }), (most, perClient, steps) => {
        const bounds = { maxConnections: most, maxPerClient: perClient };
        const { memory, threads } = limitsOfEachThread(bounds);
        const live: Live[] = [];
        const leave = (one: Live, thread: number): void =>
          threads[thread]!.leave(CLIENTS[one.client]!.words, one.counted);
        for (const action of steps) {
          if (action.do === 'bound') {
            Object.assign(bounds, {
              maxConnections: action.maxConnections,
              maxPerClient: action.maxPerClient,
            });
            for (const one of live)
              one.counted = threads[one.thread]!.count(CLIENTS[one.client]!.words, one.counted);
            continue;
          }
          if (action.do === 'leave') {
            const [gone] = live.splice(action.which % Math.max(1, live.length), 1);
            if (gone !== undefined) leave(gone, action.thread);
            continue;
          }
          const { client, thread } = action;
          const own = live.filter((other) => SAME_AS[other.client] === SAME_AS[client]).length;
          const isFull = bounds.maxConnections > 0 && live.length >= bounds.maxConnections;
          const hasEnough = bounds.maxPerClient > 0 && own >= bounds.maxPerClient;
          const expected = isFull ? 'max_connections' : hasEnough ? 'max_connections_per_client' : undefined;
          const counted = threads[thread]!.enter(CLIENTS[client]!.words);
          expect(counted < 0 ? limitRefusalOf(counted) : undefined).toBe(expected);
          if (expected === undefined) live.push({ client, thread, counted });
        }
        for (const one of live) leave(one, 0);
        expect(memory.connections[0]).toBe(0);
        expect(memory.clients.clients.heads[SIZE_CELL]).toBe(0);
      }),
      { numRuns: 1_000 },
    );
  });

  it('count nothing while there are none', () => {
    const { memory, threads } = limitsOfEachThread({ maxConnections: 0, maxPerClient: 0 });
    expect(threads[0]!.enter(CLIENTS[0]!.words)).toBe(0);
    expect(memory.connections[0]).toBe(0);
  });

  const ONE_EACH = { maxConnections: 0, maxPerClient: 1 };

  it('wait no longer than a second for a thread that nobody has buried', () => {
    const { memory, threads } = limitsOfEachThread(ONE_EACH);
    const limits = threads[1]!;
    const { words } = CLIENTS[0]!;
    expect(limits.enter(words)).toBe(COUNTED.OF_CLIENT);
    memory.clients.lock[0] = 1;
    limits.leave(words, COUNTED.OF_CLIENT);
    expect(memory.clients.lock[0]).toBe(0);
    expect(limits.enter(words)).toBe(COUNTED.OF_CLIENT);
  });

  it('begin to count anew when a thread has died in the middle of a change, and never hang', () => {
    const { memory, threads } = limitsOfEachThread(ONE_EACH);
    const [one, other] = [threads[0]!, threads[1]!];
    const { words } = CLIENTS[0]!;
    expect(one.enter(words)).toBe(COUNTED.OF_CLIENT);
    memory.clients.lock[0] = 1;
    other.threadDied(1);
    other.leave(words, COUNTED.OF_CLIENT);
    expect(other.enter(words)).toBe(COUNTED.OF_CLIENT);
    expect(limitRefusalOf(other.enter(words))).toBe('max_connections_per_client');
  });
});
