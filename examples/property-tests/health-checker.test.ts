import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';
import type { HealthCheckSettings, ProbeResult } from '../../src/domain/health.ts';
import { healthCheckerMachine, healthStatusOf, type ProbeInput } from '../../src/machines/health-checker.ts';
import {
  checkerCommand,
  checkSettings,
  newChecker,
  type ProbeEnd,
  probeEnd,
  stepChecker,
  verdictOf,
} from './health-checker-model.ts';
import { letPass } from './simulated-time.ts';

/** The real checker on a simulated clock, with probes that end when and as the test says. */
function aChecker(settings: HealthCheckSettings, random: () => number) {
  const clock = new SimulatedClock();
  const told: string[] = [];
  const beganAtMs: number[] = [];
  const underWay: PromiseWithResolvers<ProbeResult>[] = [];
  const probe = fromPromise<ProbeResult, ProbeInput>(() => {
    const one = Promise.withResolvers<ProbeResult>();
    underWay.push(one);
    beganAtMs.push(clock.now());
    told.push(`probe at ${clock.now()}`);
    return one.promise;
  });
  const actor = createActor(healthCheckerMachine.provide({ actors: { probe } }), {
    clock,
    input: { host: '10.0.0.1', port: 80, settings, now: () => clock.now(), random },
  });
  actor.on('PROBED', ({ result }) => told.push(result.ok ? 'passes' : 'fails'));
  actor.on('PROBE_NOT_MADE', () => told.push('is not made'));
  actor.on('VERDICT_CHANGED', ({ verdict }) => told.push(verdict));
  actor.start();

  return {
    told,
    beganAtMs,
    status: () => healthStatusOf(actor.getSnapshot()),
    probesUnderWay: () => underWay.length,
    nowMs: () => clock.now(),
    pass: (ms: number) => letPass(clock, ms),
    change: (next: HealthCheckSettings) => actor.send({ type: 'SETTINGS_CHANGED', settings: next }),
    end: async (how: ProbeEnd): Promise<void> => {
      const one = underWay.pop();
      if (how === 'passes') one?.resolve({ ok: true, latencyMs: 2 });
      else if (how === 'fails') one?.resolve({ ok: false, latencyMs: 3, error: 'refused' });
      else one?.reject(new Error('no descriptors'));
      await new Promise(setImmediate);
    },
  };
}

describe('the health checker', () => {
  it('does what the model says, whatever happens in whatever order', async () => {
    expect.hasAssertions();
    const random = fc.constantFrom(0, 0.25, 0.5, 0.99);
    const commands = fc.array(checkerCommand, { maxLength: 50 });
    await fc.assert(
      fc.asyncProperty(checkSettings, random, commands, async (settings, always, list) => {
        const checker = aChecker(settings, () => always);
        let model = newChecker(settings, always);
        for (const command of list) {
          if (command.type === 'end') await checker.end(command.how);
          else if (command.type === 'change') checker.change(command.settings);
          else checker.pass(command.ms);
          model = stepChecker(model, command);
          expect(checker.told).toEqual(model.told);
          const { verdict, sinceMs, successes, failures } = model;
          expect(checker.status()).toMatchObject({
            verdict,
            sinceMs,
            consecutiveSuccesses: successes,
            consecutiveFailures: failures,
          });
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('judges by the last run of results that was long enough', async () => {
    expect.hasAssertions();
    await fc.assert(
      fc.asyncProperty(checkSettings, fc.array(probeEnd, { maxLength: 25 }), async (settings, ends) => {
        const { pass, end, status } = aChecker(settings, () => 0);
        for (const how of ends) {
          pass(settings.intervalMs);
          await end(how);
        }
        const passed = ends.filter((how) => how !== 'is not made').map((how) => how === 'passes');
        expect(status().verdict).toBe(verdictOf(passed, settings));
      }),
      { numRuns: 1_000 },
    );
  });

  it('keeps its beat: each probe within a tenth after a beat, one at a time, none left out without need', async () => {
    expect.hasAssertions();
    const durations = fc.array(fc.integer({ min: 1, max: 130 }), { minLength: 1, maxLength: 12 });
    const randoms = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));
    await fc.assert(
      fc.asyncProperty(checkSettings, randoms, durations, async (settings, stream, durationsMs) => {
        const { intervalMs } = settings;
        const checker = aChecker(settings, () => stream.next().value);
        const latestMs = Math.ceil(intervalMs / 10);
        let beatMs = 0;
        for (const [index, durationMs] of durationsMs.entries()) {
          while (checker.beganAtMs.length === index && checker.nowMs() < beatMs + latestMs) checker.pass(1);
          const beganAtMs = checker.beganAtMs[index];
          expect(beganAtMs).toBeGreaterThanOrEqual(beatMs);
          checker.pass(durationMs);
          expect(checker.probesUnderWay()).toBe(1);
          await checker.end('passes');
          beatMs = (Math.floor(checker.nowMs() / intervalMs) + 1) * intervalMs;
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
