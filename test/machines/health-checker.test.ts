import { describe, expect, it } from 'vitest';
import { createActor, SimulatedClock, toPromise } from 'xstate';
import { healthCheckerMachine } from '../../src/machines/health-checker.ts';
import { aChecker, CHECK_SETTINGS } from '../support/checker.ts';

describe('the verdict', () => {
  it('is unknown until a threshold is reached', async () => {
    const { probes, verdict, told } = aChecker();
    expect(verdict()).toBe('unknown');
    await probes('pffpff');
    expect([verdict(), told]).toEqual(['unknown', []]);
  });

  it('rises at two passes in a row', async () => {
    const { probes, verdict, told } = aChecker();
    await probes('pfp');
    expect(verdict()).toBe('unknown');
    await probes('p');
    expect([verdict(), told]).toEqual(['healthy', ['healthy: no error']]);
  });

  it('falls at three failures in a row', async () => {
    const { probes, verdict, told } = aChecker();
    await probes('ppffpff');
    expect(verdict()).toBe('healthy');
    await probes('f');
    expect([verdict(), told.at(-1)]).toEqual(['unhealthy', 'unhealthy: refused']);
  });

  it('rises again at two passes in a row', async () => {
    const { probes, verdict } = aChecker();
    await probes('fffpf');
    expect(verdict()).toBe('unhealthy');
    await probes('p');
    expect(verdict()).toBe('unhealthy');
    await probes('p');
    expect(verdict()).toBe('healthy');
  });

  it('is told once, not with every probe', async () => {
    const { probes, told } = aChecker();
    await probes('pppppffffff');
    expect(told).toHaveLength(2);
  });

  it('follows lowered thresholds at once', async () => {
    const { probes, change, verdict } = aChecker({ healthyThreshold: 5, unhealthyThreshold: 5 });
    await probes('ppp');
    change({ healthyThreshold: 4 });
    expect(verdict()).toBe('unknown');
    change({ healthyThreshold: 3 });
    expect(verdict()).toBe('healthy');
    await probes('ff');
    change({ unhealthyThreshold: 2 });
    expect(verdict()).toBe('unhealthy');
  });
});

describe('the status', () => {
  it('says since when, how fast, what was wrong, and how often in a row', async () => {
    const { probes, status } = aChecker();
    expect(status()).toEqual({
      verdict: 'unknown',
      sinceMs: 0,
      lastLatencyMs: undefined,
      lastError: undefined,
      consecutiveSuccesses: 0,
      consecutiveFailures: 0,
    });
    await probes('fffff');
    expect(status()).toEqual({
      verdict: 'unhealthy',
      sinceMs: 10_001,
      lastLatencyMs: 7,
      lastError: 'refused',
      consecutiveSuccesses: 0,
      consecutiveFailures: 5,
    });
    await probes('p');
    expect(status()).toMatchObject({
      verdict: 'unhealthy',
      lastLatencyMs: 2,
      lastError: undefined,
      consecutiveSuccesses: 1,
      consecutiveFailures: 0,
    });
  });
});

describe('a probe', () => {
  it('gets the target and the settings of the moment', async () => {
    const { pass, passes, change, inputs } = aChecker();
    const check = { type: 'http' as const, path: '/ready', expectedStatus: 204 };
    pass(1);
    change({ check });
    await passes();
    pass(5_000);
    expect(inputs).toEqual([
      { host: '10.0.0.1', port: 80, settings: CHECK_SETTINGS },
      { host: '10.0.0.1', port: 80, settings: { ...CHECK_SETTINGS, check } },
    ]);
  });

  it('that could not be made says nothing about the backend, and the next one is made', async () => {
    const { probes, pass, end, status, told, beganAtMs } = aChecker({ unhealthyThreshold: 2 });
    await probes('ppf');
    const before = status();
    pass(5_000);
    await end(new Error('EMFILE'));
    expect([status(), told.at(-1)]).toEqual([before, 'not made: EMFILE']);
    pass(5_000);
    expect(beganAtMs).toHaveLength(5);
  });

  it('is called off when the checker is stopped', () => {
    const { actor, pass, isAborted } = aChecker();
    pass(1);
    actor.stop();
    expect(isAborted()).toBe(true);
  });

  it('that nobody provided ends the checker with an error that names it', async () => {
    const clock = new SimulatedClock();
    const { host, port, settings } = { host: '10.0.0.1', port: 80, settings: CHECK_SETTINGS };
    const input = { host, port, settings, now: () => clock.now(), random: () => 0 };
    const actor = createActor(healthCheckerMachine, { clock, input });
    const outcome = toPromise(actor);
    actor.start();
    clock.increment(1);
    await expect(outcome).rejects.toMatchObject({
      code: 'ERR_NOT_PROVIDED',
      message: expect.stringContaining("'probe'"),
    });
  });
});
