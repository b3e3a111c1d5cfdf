import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FamilyPolicy } from '../../src/composition/backend-family.ts';
import { incarnationOf } from '../../src/domain/backend.ts';
import { aBackend } from '../support/backends.ts';
import { aFleet, CHECK, CIRCUIT, settle } from '../support/fleet.ts';
import type { Place } from '../support/proxy.ts';

const A = aBackend({ id: 'a', port: 1 });
const B = aBackend({ id: 'b', port: 2 });

function aFleetThatFollows(options: Parameters<typeof aFleet>[0] = {}) {
  const test = aFleet(options);
  let { policy } = test;
  const follow = (changed: Partial<FamilyPolicy>): void => {
    policy = { ...policy, ...changed };
    test.fleet.follow(policy);
  };
  const enter = (client = '10.0.0.1'): Place => {
    const place = test.enter(client);
    if (typeof place === 'string') throw new Error(`refused: ${place}`);
    return place;
  };
  const fail = async (times: number): Promise<void> => {
    for (let failure = 0; failure < times; failure++) {
      const place = enter();
      test.router.leave(place);
      await test.report(place, 'failure');
    }
  };
  return { ...test, follow, enter, fail, tryEnter: (client: string) => test.enter(client) };
}

describe('breakers of a fleet that goes by another policy', () => {
  it('open at once at a lower threshold, and are tried after what is left of another time', async () => {
    const test = aFleetThatFollows({ checker: undefined });
    test.fleet.update([A]);
    await test.fail(2);
    expect(test.eligibleIds()).toEqual(['a']);
    test.follow({ circuit: { ...CIRCUIT, failureThreshold: 2 } });
    await settle();
    expect(test.exclusions()).toEqual({ a: 'circuit_open' });
    await test.advance(4_000);
    test.follow({ circuit: { ...CIRCUIT, openMs: 5_000 } });
    await test.advance(500);
    expect(test.exclusions()).toEqual({ a: 'circuit_open' });
    await test.advance(500);
    expect(test.eligibleIds()).toEqual(['a']);
    expect(test.transitions).toEqual(['failure_threshold', 'open_timeout']);
  });

  it('let in as many trials as the changed threshold says', async () => {
    const test = aFleetThatFollows({ checker: undefined });
    test.fleet.update([A]);
    await test.fail(CIRCUIT.failureThreshold);
    await test.advance(CIRCUIT.openMs);
    for (let trial = 0; trial < CIRCUIT.successThreshold; trial++) test.enter();
    expect(test.router.enter('10.0.0.1', [])).toBe('all_full');
    test.follow({ circuit: { ...CIRCUIT, successThreshold: 3 } });
    test.enter();
    expect(test.router.enter('10.0.0.1', [])).toBe('all_full');
  });

  it('switched off let everybody in, and switched on again know nothing of what was before', async () => {
    const test = aFleetThatFollows({ checker: undefined });
    test.fleet.update([A]);
    const ofTheFirst = test.enter();
    await test.fail(CIRCUIT.failureThreshold);
    await test.advance(CIRCUIT.openMs);
    const trial = test.enter();
    expect(trial.permit).toBeDefined();
    test.follow({ circuit: undefined });
    expect([test.eligibleIds(), test.fleet.statuses()[0]?.circuit]).toEqual([['a'], undefined]);
    const ofNone = test.enter();
    await test.report(trial, 'failure');
    test.follow({ circuit: CIRCUIT });
    expect(test.fleet.statuses()[0]?.circuit).toBe('closed');
    for (const old of [ofTheFirst, trial, ofNone, ofTheFirst, trial, ofNone])
      await test.report(old, 'failure');
    expect(test.eligibleIds()).toEqual(['a']);
    await test.fail(CIRCUIT.failureThreshold);
    expect(test.exclusions()).toEqual({ a: 'circuit_open' });
  });

  it('switched on see failures from then on', async () => {
    const test = aFleetThatFollows({ circuit: undefined, checker: undefined });
    test.fleet.update([A]);
    await test.fail(2 * CIRCUIT.failureThreshold);
    expect(test.eligibleIds()).toEqual(['a']);
    test.follow({ circuit: CIRCUIT });
    await test.fail(CIRCUIT.failureThreshold);
    expect(test.exclusions()).toEqual({ a: 'circuit_open' });
  });
});

describe('checks of a fleet that goes by another policy', () => {
  it('probe at another interval from the last beat on, and judge by other thresholds', async () => {
    const test = aFleetThatFollows({ circuit: undefined });
    test.sick.add(1);
    test.fleet.update([A]);
    await test.advance(1_500);
    expect(test.probed).toHaveLength(2);
    test.follow({ checkSettingsOf: () => ({ ...CHECK, unhealthyThreshold: 2, intervalMs: 10_000 }) });
    await settle();
    expect(test.exclusions()).toEqual({ a: 'unhealthy' });
    await test.advance(9_000);
    expect(test.probed).toHaveLength(2);
    await test.advance(500);
    expect(test.probed).toHaveLength(3);
  });

  it('switched on probe every backend, switched off find nobody down any more', async () => {
    const test = aFleetThatFollows({ circuit: undefined, checker: undefined });
    test.sick.add(1);
    test.fleet.update([A, B]);
    await test.advance(5_000);
    expect([test.probed, test.eligibleIds()]).toEqual([[], ['a', 'b']]);
    test.follow({ checker: test.checker });
    await test.advance(5_000);
    expect(test.exclusions()).toEqual({ a: 'unhealthy' });
    test.follow({ checker: undefined });
    expect(test.eligibleIds()).toEqual(['a', 'b']);
    const { length } = test.probed;
    await test.advance(5_000);
    expect(test.probed).toHaveLength(length);
  });

  it('switched off end no connections that were to be ended', async () => {
    const test = aFleetThatFollows({ circuit: undefined, downPolicy: 'drain' });
    test.fleet.update([A]);
    test.enter();
    test.sick.add(1);
    await test.advance(10_000);
    expect(test.exclusions()).toEqual({ a: 'unhealthy' });
    test.follow({ checker: undefined });
    await test.advance(60_000);
    expect(test.cuts).toEqual([]);
  });

  it('apply another policy to the connections of what is down already', async () => {
    const test = aFleetThatFollows({ circuit: undefined });
    test.fleet.update([A]);
    test.enter();
    test.sick.add(1);
    await test.advance(10_000);
    test.follow({ downPolicy: 'drain' });
    await test.advance(29_500);
    test.follow({ downPolicy: 'keep' });
    await test.advance(29_500);
    expect(test.cuts).toEqual([]);
    test.follow({ downPolicy: 'cut' });
    await settle();
    expect(test.cuts).toEqual(['a@127.0.0.1:1']);
  });

  it('leave a draining backend alone, whose time to drain they change', async () => {
    const test = aFleetThatFollows();
    test.fleet.update([A]);
    test.enter();
    test.fleet.update([]);
    await test.advance(10_000);
    const { length } = test.probed;
    test.follow({ drainTimeoutMs: 10_500, checkSettingsOf: () => ({ ...CHECK, intervalMs: 100 }) });
    await test.advance(0);
    expect([test.cuts, test.probed.length]).toEqual([[], length]);
    await test.advance(500);
    expect(test.cuts).toEqual(['a@127.0.0.1:1']);
  });
});

describe('a fleet under any sequence of policies', () => {
  const policy = fc.record({
    breaks: fc.boolean(),
    checks: fc.boolean(),
    failureThreshold: fc.integer({ min: 1, max: 3 }),
    openMs: fc.constantFrom(1_000, 5_000, 10_000),
    drainTimeoutMs: fc.constantFrom(0, 1_000, 30_000),
    downPolicy: fc.constantFrom('keep' as const, 'drain' as const, 'cut' as const),
    intervalMs: fc.constantFrom(1_000, 2_000),
  });
  const step = fc.oneof(
    { weight: 3, arbitrary: policy.map((to) => ({ do: 'follow' as const, to })) },
    { weight: 4, arbitrary: fc.constantFrom('failure', 'success').map((how) => ({ do: how }) as const) },
    { weight: 1, arbitrary: fc.constantFrom(1, 2).map((port) => ({ do: 'sicken' as const, port })) },
    { weight: 1, arbitrary: fc.subarray([A, B]).map((rows) => ({ do: 'rows' as const, rows })) },
    { weight: 3, arbitrary: fc.constantFrom(500, 1_000, 4_000).map((ms) => ({ do: 'wait' as const, ms })) },
  );

  it('ends as one that has had the last of them from the beginning', async () => {
    expect.hasAssertions();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), policy, async (steps, last) => {
        const test = aFleetThatFollows();
        const follow = ({ breaks, checks, failureThreshold, openMs, intervalMs, ...to }: typeof last): void =>
          test.follow({
            ...to,
            circuit: breaks ? { ...CIRCUIT, failureThreshold, openMs } : undefined,
            checker: checks ? test.checker : undefined,
            checkSettingsOf: () => ({ ...CHECK, intervalMs }),
          });
        test.fleet.update([A, B]);
        for (const one of steps) {
          if (one.do === 'follow') follow(one.to);
          else if (one.do === 'wait') await test.advance(one.ms);
          else if (one.do === 'rows') test.fleet.update(one.rows);
          else if (one.do === 'sicken') test.sick[test.sick.has(one.port) ? 'delete' : 'add'](one.port);
          else {
            const place = test.tryEnter('10.0.0.1');
            if (typeof place === 'string') continue;
            await test.report(place, one.do === 'failure' ? 'failure' : 'success');
            test.router.leave(place);
          }
          await settle();
        }
        follow(last);
        test.fleet.update([A, B]);
        await test.advance(12_000);
        const sickIds = [A, B].filter(({ port }) => test.sick.has(port)).map(({ id }) => id);
        const excluded = last.checks ? sickIds : [];
        expect(Object.keys(test.exclusions()).toSorted()).toEqual(excluded);
        for (const family of test.fleet.families.values()) {
          const { context } = family.breaker?.getSnapshot() ?? {};
          expect(context?.settings).toEqual(
            last.breaks
              ? { ...CIRCUIT, failureThreshold: last.failureThreshold, openMs: last.openMs }
              : undefined,
          );
          expect(family.checker?.getSnapshot().context.settings.intervalMs).toBe(
            last.checks ? last.intervalMs : undefined,
          );
        }
        expect([...test.fleet.families.keys()].toSorted()).toEqual([A, B].map(incarnationOf));
        test.fleet.stop();
      }),
      { numRuns: 300 },
    );
  });
});
