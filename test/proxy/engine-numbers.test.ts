import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Agreement } from '../../src/proxy/epoll/agreement.ts';
import {
  type EngineNumbers,
  engineNumbersIn,
  newEngineNumbersMemory,
  writeEngineNumbers,
} from '../../src/proxy/engine-numbers.ts';

const number = fc.nat(2_147_483_000);

const someNumbers: fc.Arbitrary<EngineNumbers> = fc.record({
  timeouts: fc.record({
    connectTimeoutMs: number,
    connectAttempts: number,
    idleTimeoutMs: number,
    halfClosedTimeoutMs: number,
    firstByteTimeoutMs: number,
  }),
  binding: fc.record({ ttlMs: number }),
  header: fc.record({ timeoutMs: number }),
  hello: fc.record({ timeoutMs: number }),
  limits: fc.record({ maxConnections: number, maxPerClient: number }),
  queue: fc.record({ maxWaiting: number, timeoutMs: number }),
  pool: fc.record({
    isOn: fc.boolean(),
    maxPerBackend: number,
    idleTimeoutMs: number,
    maxLifetimeMs: number,
    connectTimeoutMs: number,
  }),
  handshakes: fc.record({ timeoutMs: number, maxUnderWay: number }),
  log: fc.record({ isDetailed: fc.boolean() }),
  descriptors: fc.record({ clientCeiling: number }),
});

it('numbers that are written count at once for whoever looks at them, each for itself', () => {
  fc.assert(
    fc.property(fc.array(someNumbers, { minLength: 1, maxLength: 5 }), (all) => {
      const memory = newEngineNumbersMemory(all[0]!);
      const [one, other] = [engineNumbersIn(memory), engineNumbersIn(structuredClone(memory))];
      for (const numbers of all) {
        writeEngineNumbers(memory, numbers);
        for (const seen of [one, other])
          expect(JSON.parse(JSON.stringify(seen))).toEqual(JSON.parse(JSON.stringify(numbers)));
      }
    }),
  );
});

it('an agreement is waited for until the last one goes by it, or by a newer one', async () => {
  const agreement = new Agreement();
  const agreed: number[] = [];
  const first = agreement.next().then(() => agreed.push(1));
  const second = agreement.next().then(() => agreed.push(2));
  agreement.reached(0);
  await new Promise(setImmediate);
  expect([agreement.version, agreed]).toEqual([2, []]);
  agreement.reached(1);
  await first;
  expect(agreed).toEqual([1]);
  agreement.reached(Infinity);
  await second;
  expect(agreed).toEqual([1, 2]);
});
