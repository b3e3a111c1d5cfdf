import { createActor, fromPromise, SimulatedClock } from 'xstate';
import { letPass } from '../../examples/property-tests/simulated-time.ts';
import type { HealthCheckSettings, ProbeResult } from '../../src/domain/health.ts';
import { healthCheckerMachine, healthStatusOf, type ProbeInput } from '../../src/machines/health-checker.ts';

export const CHECK_SETTINGS: HealthCheckSettings = {
  check: { type: 'tcp' },
  intervalMs: 5_000,
  timeoutMs: 2_000,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
};

/** A checker on a simulated clock, whose probes end when the test says; without jitter unless said otherwise. */
export function aChecker(changed: Partial<HealthCheckSettings> = {}, random: () => number = () => 0) {
  const clock = new SimulatedClock();
  const settings = { ...CHECK_SETTINGS, ...changed };
  const beganAtMs: number[] = [];
  const inputs: ProbeInput[] = [];
  const told: string[] = [];
  let isAborted = false;
  let underWay: PromiseWithResolvers<ProbeResult> | undefined;
  const probe = fromPromise<ProbeResult, ProbeInput>(({ input, signal }) => {
    beganAtMs.push(clock.now());
    inputs.push(input);
    signal.addEventListener('abort', () => (isAborted = true));
    underWay = Promise.withResolvers();
    return underWay.promise;
  });
  const actor = createActor(healthCheckerMachine.provide({ actors: { probe } }), {
    clock,
    input: { host: '10.0.0.1', port: 80, settings, now: () => clock.now(), random },
  });
  actor.on('VERDICT_CHANGED', ({ verdict, lastError = 'no error' }) => told.push(`${verdict}: ${lastError}`));
  actor.on('PROBE_NOT_MADE', ({ error }) => told.push(`not made: ${error}`));
  actor.start();

  async function end(result: ProbeResult | Error): Promise<void> {
    if (result instanceof Error) underWay!.reject(result);
    else underWay!.resolve(result);
    await new Promise(setImmediate);
  }
  const passes = () => end({ ok: true, latencyMs: 2 });
  const fails = (error = 'refused') => end({ ok: false, latencyMs: 7, error });
  return {
    actor,
    beganAtMs,
    inputs,
    told,
    end,
    passes,
    fails,
    isAborted: () => isAborted,
    status: () => healthStatusOf(actor.getSnapshot()),
    verdict: () => healthStatusOf(actor.getSnapshot()).verdict,
    change: (next: Partial<HealthCheckSettings>) =>
      actor.send({ type: 'SETTINGS_CHANGED', settings: { ...settings, ...next } }),
    pass: (ms: number) => letPass(clock, ms),
    /** One probe an interval, each ending at once, as the letters say: passes or fails. */
    probes: async (results: string): Promise<void> => {
      for (const letter of results) {
        if (beganAtMs.length === 0) letPass(clock, 1);
        else clock.increment(settings.intervalMs);
        await (letter === 'p' ? passes() : fails());
      }
    },
  };
}
