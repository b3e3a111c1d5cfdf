import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectionLimits, newConnectionLimitsMemory } from '../../src/proxy/connection-limits.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';

const THREADS = 3;
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
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('enter' as const),
      thread: fc.nat(THREADS - 1),
      client: fc.nat(5),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('leave' as const), thread: fc.nat(THREADS - 1), which: fc.nat() }),
  },
);

describe('the limits of connections', () => {
  it('let in as many as they say, whichever thread they come to, and as many again as have gone', () => {
    fc.assert(
      fc.property(
        fc.nat(6),
        fc.nat(3),
        fc.array(step, { maxLength: 80 }),
        (maxConnections, maxPerClient, steps) => {
          const memory = newConnectionLimitsMemory({ maxConnections, maxPerClient, ipv6Prefix: 64 });
          const threads = Array.from(
            { length: THREADS },
            (_, index) => new ConnectionLimits(memory, index + 1),
          );
          const live: number[] = [];
          for (const action of steps) {
            if (action.do === 'leave') {
              const [gone] = live.splice(action.which % Math.max(1, live.length), 1);
              if (gone !== undefined) threads[action.thread]!.leave(CLIENTS[gone]!.words);
              continue;
            }
            const own = live.filter((other) => SAME_AS[other] === SAME_AS[action.client]).length;
            const isFull = maxConnections > 0 && live.length >= maxConnections;
            const hasEnough = maxPerClient > 0 && own >= maxPerClient;
            const expected = isFull
              ? 'max_connections'
              : hasEnough
                ? 'max_connections_per_client'
                : undefined;
            expect(threads[action.thread]!.enter(CLIENTS[action.client]!.words)).toBe(expected);
            if (expected === undefined) live.push(action.client);
          }
          for (const client of live) threads[0]!.leave(CLIENTS[client]!.words);
          expect(memory.connections[0]).toBe(0);
          expect(memory.clients.counts.every((count) => count === 0)).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('wait no longer than a second for a thread that nobody has buried', () => {
    const memory = newConnectionLimitsMemory({ maxConnections: 0, maxPerClient: 1, ipv6Prefix: 64 });
    const limits = new ConnectionLimits(memory, 2);
    const { words } = CLIENTS[0]!;
    expect(limits.enter(words)).toBeUndefined();
    memory.clients.lock[0] = 1;
    limits.leave(words);
    expect(memory.clients.lock[0]).toBe(0);
    expect(limits.enter(words)).toBeUndefined();
  });

  it('begin to count anew when a thread has died in the middle of a change, and never hang', () => {
    const memory = newConnectionLimitsMemory({ maxConnections: 0, maxPerClient: 1, ipv6Prefix: 64 });
    const [one, other] = [new ConnectionLimits(memory, 1), new ConnectionLimits(memory, 2)];
    const { words } = CLIENTS[0]!;
    expect(one.enter(words)).toBeUndefined();
    memory.clients.lock[0] = 1;
    other.threadDied(1);
    other.leave(words);
    expect(other.enter(words)).toBeUndefined();
    expect(other.enter(words)).toBe('max_connections_per_client');
  });
});
