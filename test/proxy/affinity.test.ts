import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Affinity, newAffinityMemory } from '../../src/proxy/affinity.ts';
import { EVERY_APP } from '../../src/proxy/apps.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';

const TTL_MS = 100;
const MOST = 5;
const THREADS = 3;
const LOCK_CELL = 0;

const CLIENTS = [
  ...Array.from({ length: 8 }, (_, index) => `10.0.0.${index}`),
  '2001:db8::1',
  '2001:db8::2',
  '2001:db8:1::',
  '::1',
].map((text) => IpAddress.of(text));

/** The same table for several threads, as small as it gets: two chains for twelve clients. */
function anAffinityOfEachThread(maxBindings = MOST) {
  const clock = { ms: 0 };
  const memory = newAffinityMemory(maxBindings);
  const threads = Array.from(
    { length: THREADS },
    (_, index) =>
      new Affinity({ binding: { ttlMs: TTL_MS }, now: () => clock.ms, memory, holder: index + 1 }),
  );
  return { clock, memory, threads };
}

/** What a table of bindings is: a map in the order of last use. */
class BindingsModel {
  readonly #bindings = new Map<string, { readonly tenancy: number; readonly seenMs: number }>();

  get size(): number {
    return this.#bindings.size;
  }

  bind(client: string, tenancy: number, nowMs: number): void {
    this.#bindings.delete(client);
    if (this.#bindings.size === MOST) this.#bindings.delete([...this.#bindings.keys()][0]!);
    this.#bindings.set(client, { tenancy, seenMs: nowMs });
  }

  boundTo(client: string, nowMs: number): number {
    const binding = this.#bindings.get(client);
    return binding === undefined || nowMs - binding.seenMs >= TTL_MS ? -1 : binding.tenancy;
  }

  collectGarbage(nowMs: number): number {
    const expired = [...this.#bindings].filter(([, { seenMs }]) => nowMs - seenMs >= TTL_MS);
    for (const [client] of expired) this.#bindings.delete(client);
    return expired.length;
  }
}

const thread = fc.nat(THREADS - 1);
const client = fc.constantFrom(...CLIENTS);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('bind' as const), thread, client, tenancy: fc.nat(9) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ask' as const), thread, client }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('collect' as const), thread }) },
);

describe('Affinity', () => {
  it('is one map for all threads: it expires, and at its cap the client that was idle longest goes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { clock, threads } = anAffinityOfEachThread();
        const model = new BindingsModel();
        for (const action of steps) {
          if (action.do === 'wait') clock.ms += action.ms;
          else if (action.do === 'collect')
            expect(threads[action.thread]!.collectGarbage()).toBe(model.collectGarbage(clock.ms));
          else if (action.do === 'ask')
            expect(threads[action.thread]!.boundTo(action.client, EVERY_APP)).toBe(
              model.boundTo(action.client.text, clock.ms),
            );
          else {
            threads[action.thread]!.bind(action.client, action.tenancy, EVERY_APP);
            model.bind(action.client.text, action.tenancy, clock.ms);
          }
          expect(threads[0]!.size).toBe(model.size);
        }
        for (const one of CLIENTS)
          for (const affinity of threads)
            expect(affinity.boundTo(one, EVERY_APP)).toBe(model.boundTo(one.text, clock.ms));
      }),
      { numRuns: 1_000 },
    );
  });

  it('knows nobody when it is off', () => {
    const affinity = new Affinity({ binding: { ttlMs: 0 }, now: () => 0, memory: newAffinityMemory(MOST) });
    affinity.bind(CLIENTS[0]!, 1, EVERY_APP);
    expect([affinity.boundTo(CLIENTS[0]!, EVERY_APP), affinity.size]).toEqual([-1, 0]);
  });

  it('starts anew when a thread has died in the middle of a change, and never hangs', () => {
    const { memory, threads } = anAffinityOfEachThread();
    for (const [index, one] of CLIENTS.entries()) threads[index % THREADS]!.bind(one, index, EVERY_APP);
    // In a chain that leads to itself: to look for somebody else would never end.
    memory.heads[LOCK_CELL] = 2;
    memory.clients.chains.fill(1);
    memory.clients.next[0] = 1;
    threads[0]!.threadDied(2);
    expect(threads[0]!.size).toBe(0);
    for (const [index, one] of CLIENTS.entries()) threads[index % THREADS]!.bind(one, index, EVERY_APP);
    expect(threads[2]!.size).toBe(MOST);
    expect(threads[2]!.boundTo(CLIENTS.at(-1)!, EVERY_APP)).toBe(CLIENTS.length - 1);
  });

  it('does not wait for a thread that has died, where it is the one to bury it', () => {
    const { clock, memory, threads } = anAffinityOfEachThread();
    threads[0]!.bind(CLIENTS[0]!, 4, EVERY_APP);
    clock.ms += TTL_MS;
    memory.heads[LOCK_CELL] = 2;
    expect(threads[2]!.collectGarbage()).toBe(0);
    threads[2]!.threadDied(2);
    threads[2]!.bind(CLIENTS[0]!, 4, EVERY_APP);
    clock.ms += TTL_MS;
    expect(threads[2]!.collectGarbage()).toBe(1);
  });

  it('keeps what it knows when the thread that died was not at it', () => {
    const { threads } = anAffinityOfEachThread();
    threads[1]!.bind(CLIENTS[0]!, 4, EVERY_APP);
    threads[0]!.threadDied(2);
    expect(threads[0]!.boundTo(CLIENTS[0]!, EVERY_APP)).toBe(4);
  });
});
