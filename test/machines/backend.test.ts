import { describe, expect, it } from 'vitest';
import { aBackendLife } from '../support/backend-life.ts';

describe('a backend whose row is gone', () => {
  it('drains until its last connection has ended, then is removed without a cut', () => {
    const { remove, pass, idle, phase, told, isOver } = aBackendLife();
    expect(phase()).toBe('active');
    remove();
    pass(29_999);
    expect(phase()).toBe('draining');
    idle();
    expect([phase(), isOver(), told]).toEqual(['removed', true, ['draining', 'removed']]);
  });

  it('has its connections cut at the timeout, not before', () => {
    const { remove, pass, phase, told } = aBackendLife();
    remove();
    pass(29_999);
    expect(told).toEqual(['draining']);
    pass(1);
    expect([phase(), told]).toEqual(['removed', ['draining', 'cut', 'removed']]);
  });

  it('has them cut at once when there is no time to drain', () => {
    const { remove, pass, told } = aBackendLife(0);
    remove();
    pass(0);
    expect(told).toEqual(['draining', 'cut', 'removed']);
  });

  it('is active again when its row is back, and no timer goes on', () => {
    const { remove, restore, pass, phase, told } = aBackendLife();
    remove();
    pass(29_999);
    restore();
    pass(100_000);
    expect([phase(), told]).toEqual(['active', ['draining', 'active']]);
  });

  it('has the whole time again when it goes a second time', () => {
    const { remove, restore, pass, phase } = aBackendLife();
    remove();
    pass(20_000);
    restore();
    remove();
    pass(29_999);
    expect(phase()).toBe('draining');
  });

  it('does not get more time because it is said to be gone again', () => {
    const { remove, pass, told } = aBackendLife();
    remove();
    pass(20_000);
    remove();
    pass(10_000);
    expect(told).toEqual(['draining', 'cut', 'removed']);
  });

  it('keeps the time it has drained when the timeout changes', () => {
    const { remove, pass, change, phase, told } = aBackendLife();
    remove();
    pass(10_000);
    change(15_000);
    pass(4_999);
    expect([phase(), told]).toEqual(['draining', ['draining']]);
    pass(1);
    expect(phase()).toBe('removed');
  });
});

describe('an active backend', () => {
  it('takes a changed timeout over for later', () => {
    const { change, remove, pass, phase } = aBackendLife();
    change(1_000);
    remove();
    pass(1_000);
    expect(phase()).toBe('removed');
  });

  it('does not mind having no connections, nor being told that it is there', () => {
    const { idle, restore, up, pass, phase, told } = aBackendLife();
    idle();
    restore();
    up();
    pass(100_000);
    expect([phase(), told]).toEqual(['active', []]);
  });
});
