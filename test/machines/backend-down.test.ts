import { describe, expect, it } from 'vitest';
import type { DownPolicy } from '../../src/machines/backend.ts';
import { aBackendLife } from '../support/backend-life.ts';

describe('a backend that checks find down', () => {
  it.each<[DownPolicy, readonly string[]]>([
    ['keep', []],
    ['drain', []],
    ['cut', ['cut']],
  ])('stays active; under the policy %s it tells at once: %j', (policy, expected) => {
    const { down, phase, told } = aBackendLife();
    down(policy);
    expect([phase(), told]).toEqual(['active', expected]);
  });

  it('keeps its connections for good under the policy keep', () => {
    const { down, pass, told } = aBackendLife();
    down('keep');
    pass(1_000_000);
    expect(told).toEqual([]);
  });

  it('has them cut at the timeout under the policy drain, not before, and once', () => {
    const { down, pass, told } = aBackendLife();
    down('drain');
    pass(29_999);
    expect(told).toEqual([]);
    pass(1);
    expect(told).toEqual(['cut']);
    pass(1_000_000);
    expect(told).toEqual(['cut']);
  });

  it('keeps them when it comes up before the timeout', () => {
    const { down, up, pass, told } = aBackendLife();
    down('drain');
    pass(29_999);
    up();
    pass(1_000_000);
    expect(told).toEqual([]);
  });

  it('has nothing cut when they have all ended before', () => {
    const { down, idle, pass, told } = aBackendLife();
    down('drain');
    idle();
    pass(1_000_000);
    expect(told).toEqual([]);
  });

  it('applies the policy every time that it goes down', () => {
    const { down, up, pass, told } = aBackendLife();
    down('cut');
    up();
    down('cut');
    up();
    down('drain');
    pass(30_000);
    expect(told).toEqual(['cut', 'cut', 'cut']);
  });

  it('said down again, gets no more time, but a stricter policy applies at once', () => {
    const { down, pass, told } = aBackendLife();
    down('drain');
    pass(20_000);
    down('drain');
    pass(9_999);
    expect(told).toEqual([]);
    pass(1);
    expect(told).toEqual(['cut']);
    down('drain');
    down('cut');
    expect(told).toEqual(['cut', 'cut']);
  });

  it('said down again under the policy keep, keeps the connections that were to be cut', () => {
    const { down, pass, told } = aBackendLife();
    down('drain');
    pass(29_999);
    down('keep');
    pass(1_000_000);
    expect(told).toEqual([]);
    down('drain');
    pass(30_000);
    expect(told).toEqual(['cut']);
  });

  it('keeps the time it had when the timeout changes', () => {
    const { down, pass, change, told } = aBackendLife();
    down('drain');
    pass(10_000);
    change(12_000);
    pass(1_999);
    expect(told).toEqual([]);
    pass(1);
    expect(told).toEqual(['cut']);
  });
});

describe('a backend that is down and whose row is gone', () => {
  it('has its connections cut by whichever comes first, and is removed at its own timeout', () => {
    const { down, remove, pass, phase, told } = aBackendLife();
    down('drain');
    pass(10_000);
    remove();
    pass(20_000);
    expect([phase(), told]).toEqual(['draining', ['draining', 'cut']]);
    pass(10_000);
    expect([phase(), told]).toEqual(['removed', ['draining', 'cut', 'cut', 'removed']]);
  });

  it('is still down when its row is back', () => {
    const { down, remove, restore, pass, told } = aBackendLife();
    down('drain');
    remove();
    restore();
    pass(30_000);
    expect(told).toEqual(['draining', 'active', 'cut']);
  });
});
