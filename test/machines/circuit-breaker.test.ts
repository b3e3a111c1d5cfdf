import { describe, expect, it } from 'vitest';
import { aBreaker } from '../support/breaker.ts';

describe('a closed circuit', () => {
  it('opens at the fifth failure in a row, not before', () => {
    const { fail, state, told } = aBreaker();
    fail(4);
    expect(state()).toBe('closed');
    fail();
    expect(state()).toBe('open');
    expect(told).toEqual(['open: failure_threshold']);
  });

  it('starts counting again after a success', () => {
    const { fail, succeed, state } = aBreaker();
    fail(4);
    succeed();
    fail(4);
    expect(state()).toBe('closed');
    fail();
    expect(state()).toBe('open');
  });

  it('admits any number', () => {
    expect(aBreaker().gate()).toEqual({ epoch: 1, grant: 1, permits: undefined });
  });

  it('drops outcomes of a connection that was let in before it closed', () => {
    const { gate, fail, succeed, halfOpen, state } = aBreaker();
    const old = gate().epoch;
    halfOpen();
    succeed(3);
    fail(4);
    succeed(1, old);
    fail(5, old);
    expect(state()).toBe('closed');
    fail();
    expect(state()).toBe('open');
  });

  it('opens at once when the threshold is lowered to what has failed already', () => {
    const { fail, change, state } = aBreaker();
    fail(3);
    change({ failureThreshold: 4 });
    expect(state()).toBe('closed');
    change({ failureThreshold: 3 });
    expect(state()).toBe('open');
  });

  it('stays closed when its durations change', () => {
    const { change, pass, state, told } = aBreaker();
    change({ openMs: 1, leaseMs: 1 });
    pass(100_000);
    expect([state(), told]).toEqual(['closed', []]);
  });
});

describe('an open circuit', () => {
  it('admits nothing, and is tried again after its time, not before', () => {
    const { open, gate, pass, state, told } = aBreaker();
    open();
    expect(gate().permits).toBe(0);
    pass(29_999);
    expect(state()).toBe('open');
    pass(1);
    expect(state()).toBe('halfOpen');
    expect(told.at(-1)).toBe('halfOpen: open_timeout');
  });

  it('does not wait longer because connections fail that were under way', () => {
    const { open, fail, gate, pass, state } = aBreaker();
    const old = gate().epoch;
    open();
    pass(29_000);
    fail(10, old);
    fail(10);
    pass(1_000);
    expect(state()).toBe('halfOpen');
  });

  it('keeps the time it has spent when the duration changes', () => {
    const { open, change, pass, state } = aBreaker();
    open();
    pass(10_000);
    change({ openMs: 15_000 });
    pass(4_999);
    expect(state()).toBe('open');
    change({ openMs: 40_000 });
    pass(25_000);
    expect(state()).toBe('open');
    pass(1);
    expect(state()).toBe('halfOpen');
  });

  it('is tried at once when it has been open for longer than a lowered duration', () => {
    const { open, change, pass, state } = aBreaker();
    open();
    pass(10_000);
    change({ openMs: 5_000 });
    pass(0);
    expect(state()).toBe('halfOpen');
  });

  it('is closed by hand', () => {
    const { actor, open, pass, state, told } = aBreaker();
    open();
    actor.send({ type: 'RESET' });
    pass(100_000);
    expect([state(), told.at(-1)]).toEqual(['closed', 'closed: reset']);
  });
});

it('every state it enters has an epoch and a grant of its own', () => {
  const { actor, gate, halfOpen, succeed, fail } = aBreaker({ failureThreshold: 1, successThreshold: 1 });
  const gates = [gate()];
  actor.on('TRANSITIONED', ({ epoch }) => gates.push({ ...gate(), epoch }));
  halfOpen();
  fail();
  actor.send({ type: 'RESET' });
  actor.send({ type: 'RESET' });
  halfOpen();
  succeed();
  expect(gates.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(gate().grant).toBe(9);
});

it('begins at another epoch where an earlier breaker of the backend has outcomes under way', () => {
  const { gate, fail, state } = aBreaker({}, 7);
  expect(gate()).toEqual({ epoch: 7, grant: 7, permits: undefined });
  fail(5, 1);
  expect(state()).toBe('closed');
});
