import { describe, expect, it } from 'vitest';
import { incarnationOf } from '../../src/domain/backend.ts';
import { aBackend } from '../support/backends.ts';
import { aFleet, CIRCUIT, settle } from '../support/fleet.ts';
import type { Place } from '../support/proxy.ts';

type TestFleet = ReturnType<typeof aFleet>;

const A = aBackend({ id: 'a', port: 1 });
const B = aBackend({ id: 'b', port: 2 });

const enter = (test: TestFleet, client = '10.0.0.1'): Place => {
  const place = test.enter(client);
  if (typeof place === 'string') throw new Error(`refused: ${place}`);
  return place;
};

async function failTimes(test: TestFleet, times: number): Promise<void> {
  for (let failure = 0; failure < times; failure++) {
    const place = enter(test);
    test.router.leave(place);
    await test.report(place, 'failure');
  }
}

describe('breaker in a fleet', () => {
  it('takes a backend out after consecutive failures, tries it with permits, and takes it back', async () => {
    const test = aFleet({ checker: undefined });
    test.fleet.update([A]);
    await failTimes(test, CIRCUIT.failureThreshold);
    expect(test.exclusions()).toEqual({ a: 'circuit_open' });
    expect(test.router.enter('10.0.0.1', [])).toBe('no_backend');
    await test.advance(CIRCUIT.openMs);
    const trials = [enter(test), enter(test)];
    expect(test.router.enter('10.0.0.1', [])).toBe('all_full');
    for (const trial of trials) await test.report(trial, 'success');
    expect(test.transitions).toEqual(['failure_threshold', 'open_timeout', 'success_threshold']);
    expect(enter(test).permit).toBeUndefined();
  });

  it('gives the permit of a client that went without an outcome to the next one', async () => {
    const test = aFleet({ checker: undefined });
    test.fleet.update([A]);
    await failTimes(test, CIRCUIT.failureThreshold);
    await test.advance(CIRCUIT.openMs);
    const trials = [enter(test), enter(test)];
    test.router.leave(trials[0]!);
    expect(enter(test).permit).toBe(trials[1]!.permit);
    expect(test.router.enter('10.0.0.1', [])).toBe('all_full');
  });

  it('gives permits out anew when trials stay silent for the lease, and voids the old ones', async () => {
    const test = aFleet({ checker: undefined });
    test.fleet.update([A]);
    await failTimes(test, CIRCUIT.failureThreshold);
    await test.advance(CIRCUIT.openMs);
    const silent = [enter(test), enter(test)];
    await test.advance(CIRCUIT.leaseMs);
    enter(test);
    enter(test);
    for (const place of silent) test.router.leave(place);
    expect(test.router.enter('10.0.0.1', [])).toBe('all_full');
  });
});

describe('health in a fleet', () => {
  it('takes a backend out after its fall threshold and back after its rise threshold', async () => {
    const test = aFleet({ circuit: undefined });
    test.sick.add(1);
    test.fleet.update([A, B]);
    await test.advance(1_500);
    expect(test.eligibleIds()).toEqual(['a', 'b']);
    await test.advance(1_000);
    expect(test.exclusions()).toEqual({ a: 'unhealthy' });
    test.sick.clear();
    await test.advance(1_000);
    expect(test.exclusions()).toEqual({ a: 'unhealthy' });
    await test.advance(1_000);
    expect(test.eligibleIds()).toEqual(['a', 'b']);
  });

  it.each([
    ['keep', 0, []],
    ['cut', 0, ['a@127.0.0.1:1']],
    ['drain', 30_000, ['a@127.0.0.1:1']],
  ] as const)('with the policy %s treats live connections accordingly', async (downPolicy, afterMs, cuts) => {
    const test = aFleet({ circuit: undefined, downPolicy });
    test.fleet.update([A]);
    enter(test);
    test.sick.add(1);
    await test.advance(4_000);
    expect(test.exclusions()).toEqual({ a: 'unhealthy' });
    if (afterMs > 0) expect(test.cuts).toEqual([]);
    await test.advance(afterMs);
    expect(test.cuts).toEqual(cuts);
  });
});

describe('rows in a fleet', () => {
  it('drain a backend that is deleted until its last connection has ended, and then forget it', async () => {
    const test = aFleet();
    test.fleet.update([A, B]);
    const places = [enter(test, '10.0.0.1'), enter(test, '10.0.0.2')];
    const onA = places.filter(({ backend }) => backend.id === 'a').length;
    expect(onA).toBe(1);
    test.fleet.update([B]);
    expect(test.exclusions()).toEqual({ a: 'draining' });
    for (const place of places) test.router.leave(place);
    await test.advance(30_000);
    expect(test.exclusions()).toEqual({});
    expect([...test.fleet.families.keys()]).toEqual(['b@127.0.0.1:2']);
    expect(test.cuts).toEqual([]);
    test.fleet.stop();
  });

  it('cut what is left of a deleted backend at the drain timeout', async () => {
    const test = aFleet();
    test.fleet.update([A]);
    enter(test);
    test.fleet.update([{ ...A, deleted: true }]);
    await test.advance(29_500);
    expect([test.cuts, test.exclusions()]).toEqual([[], { a: 'draining' }]);
    await test.advance(500);
    expect([test.cuts, test.exclusions()]).toEqual([['a@127.0.0.1:1'], { a: 'deleted' }]);
    test.fleet.update([]);
    expect(test.exclusions()).toEqual({});
    test.fleet.stop();
  });

  it('make a new incarnation of an id at a new address, with a breaker of its own', async () => {
    const test = aFleet({ checker: undefined });
    test.fleet.update([A]);
    const old = enter(test);
    await failTimes(test, CIRCUIT.failureThreshold);
    test.fleet.update([{ ...A, port: 9 }]);
    expect(test.exclusions()).toEqual({ a: 'draining' });
    expect(enter(test).backend.port).toBe(9);
    await test.report(old, 'failure');
    expect(test.eligibleIds()).toEqual(['a']);
    test.fleet.stop();
  });

  it('bring back a backend that returns while it drains, probed again', async () => {
    const test = aFleet();
    test.fleet.update([A]);
    enter(test);
    await settle();
    test.fleet.update([]);
    const before = test.probed.length;
    await test.advance(3_000);
    expect(test.probed.length).toBe(before);
    test.fleet.update([A]);
    expect(test.eligibleIds()).toEqual(['a']);
    await test.advance(1_000);
    expect(test.probed.length).toBeGreaterThan(before);
    test.fleet.stop();
  });
});

describe('until a set is in force', () => {
  it('a circuit that has opened gets no trial in the stead of the one that failed', async () => {
    const test = aFleet({ checker: undefined, appliesLate: true });
    test.fleet.update([A]);
    test.apply();
    await failTimes(test, CIRCUIT.failureThreshold);
    test.apply();
    await test.advance(CIRCUIT.openMs);
    test.apply();
    const first = enter(test);
    await test.report(first, 'failure');
    test.router.leave(first);
    enter(test);
    expect(test.enter('10.0.0.1')).toBe('all_full');
    test.apply();
    expect(test.enter('10.0.0.1')).toBe('no_backend');
  });

  it('a removed backend stays, so that a client that still comes is drained and cut as well', async () => {
    const test = aFleet({ appliesLate: true, drainTimeoutMs: 1_000 });
    test.fleet.update([A]);
    test.apply();
    test.fleet.update([]);
    const late = enter(test);
    await test.advance(500);
    test.apply();
    expect(test.exclusions()).toEqual({ a: 'draining' });
    await test.advance(500);
    expect(test.cuts).toEqual([incarnationOf(late.backend)]);
    test.fleet.stop();
  });

  it('nothing is cut, so that a client that still comes is cut as well', async () => {
    const test = aFleet({ circuit: undefined, downPolicy: 'cut', appliesLate: true });
    test.fleet.update([A]);
    test.apply();
    test.sick.add(1);
    await test.advance(4_000);
    expect(test.cuts).toEqual([]);
    enter(test);
    test.apply();
    await settle();
    expect(test.cuts).toEqual(['a@127.0.0.1:1']);
    test.fleet.stop();
  });

  it('an idle half-open circuit renews nothing, one with a silent trial does', async () => {
    const test = aFleet({ checker: undefined });
    test.fleet.update([A]);
    await failTimes(test, CIRCUIT.failureThreshold);
    await test.advance(CIRCUIT.openMs);
    const { version } = test.set();
    await test.advance(10 * CIRCUIT.leaseMs);
    expect(test.set().version).toBe(version);
    enter(test);
    await test.advance(CIRCUIT.leaseMs);
    expect(test.set().version).toBe(version + 1);
    test.fleet.stop();
  });
});
