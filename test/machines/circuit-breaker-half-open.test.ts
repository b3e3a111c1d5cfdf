import { describe, expect, it } from 'vitest';
import { aBreaker } from '../support/breaker.ts';

describe('a half-open circuit', () => {
  it('admits as many trials at a time as must succeed', () => {
    const { halfOpen, gate } = aBreaker({ successThreshold: 2 });
    halfOpen();
    expect(gate().permits).toBe(2);
  });

  it('closes at the third success, not before', () => {
    const { halfOpen, succeed, state, told } = aBreaker();
    halfOpen();
    succeed(2);
    expect(state()).toBe('halfOpen');
    succeed();
    expect([state(), told.at(-1)]).toEqual(['closed', 'closed: success_threshold']);
  });

  it('opens again at the first failure, for the whole time', () => {
    const { halfOpen, succeed, fail, pass, state, told } = aBreaker();
    halfOpen();
    succeed(2);
    fail();
    expect([state(), told.at(-1)]).toEqual(['open', 'open: trial_failed']);
    pass(29_999);
    expect(state()).toBe('open');
    pass(1);
    succeed(2);
    expect(state()).toBe('halfOpen');
  });

  it('drops outcomes of connections that were let in before', () => {
    const { gate, halfOpen, fail, succeed, state } = aBreaker();
    const closed = gate().epoch;
    halfOpen();
    const before = [closed, gate().epoch - 1];
    for (const epoch of before) {
      fail(1, epoch);
      succeed(3, epoch);
    }
    expect(state()).toBe('halfOpen');
  });

  it('gives permits out anew when it has heard nothing for the lease, again and again', () => {
    const { halfOpen, gate, pass, told } = aBreaker();
    halfOpen();
    const { epoch, grant } = gate();
    pass(19_999);
    expect(gate().grant).toBe(grant);
    pass(1);
    expect(gate()).toEqual({ epoch, grant: grant + 1, permits: 3 });
    pass(20_000);
    expect(told.slice(2)).toEqual([`renewed: ${grant + 1}`, `renewed: ${grant + 2}`]);
  });

  it('begins the lease again with every success', () => {
    const { halfOpen, succeed, gate, pass } = aBreaker();
    halfOpen();
    const { grant } = gate();
    pass(15_000);
    succeed();
    pass(19_999);
    expect(gate().grant).toBe(grant);
    pass(1);
    expect(gate().grant).toBe(grant + 1);
  });

  it('counts successes from before and after a renewal together', () => {
    const { halfOpen, succeed, pass, state } = aBreaker();
    halfOpen();
    succeed(2);
    pass(20_000);
    succeed(1);
    expect(state()).toBe('closed');
  });

  it('keeps the time of the lease when the lease changes', () => {
    const { halfOpen, change, gate, pass } = aBreaker();
    halfOpen();
    const { grant } = gate();
    pass(8_000);
    change({ leaseMs: 10_000 });
    pass(1_999);
    expect(gate().grant).toBe(grant);
    pass(1);
    expect(gate().grant).toBe(grant + 1);
  });

  it('closes at once when the threshold is lowered to what has succeeded already', () => {
    const { halfOpen, succeed, change, gate, state } = aBreaker();
    halfOpen();
    succeed(1);
    change({ successThreshold: 2 });
    expect([state(), gate().permits]).toEqual(['halfOpen', 2]);
    change({ successThreshold: 1 });
    expect(state()).toBe('closed');
  });
});
