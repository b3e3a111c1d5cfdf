import * as fc from 'fast-check';
import type { HealthCheckSettings, HealthVerdict } from '../../src/domain/health.ts';

/** What the health checker should be, in a few lines: no chart, no timers, only what is so at `nowMs`. */
export interface CheckerModel {
  readonly nowMs: number;
  readonly settings: HealthCheckSettings;
  /** What the random numbers of this run all are. */
  readonly random: number;
  readonly verdict: HealthVerdict;
  readonly sinceMs: number;
  /** In a row. */
  readonly successes: number;
  readonly failures: number;
  readonly isProbing: boolean;
  /** The beat of the last probe, or of the first one. */
  readonly beatMs: number;
  /** When the next probe goes out, while none is under way. */
  readonly probeAtMs: number;
  /** What the checker has told so far, and the probes that it began. */
  readonly told: readonly string[];
}

export type ProbeEnd = 'passes' | 'fails' | 'is not made';

export type CheckerCommand =
  /** The probe under way, if any, ends so. */
  | { readonly type: 'end'; readonly how: ProbeEnd }
  | { readonly type: 'change'; readonly settings: HealthCheckSettings }
  | { readonly type: 'pass'; readonly ms: number };

export function newChecker(settings: HealthCheckSettings, random: number): CheckerModel {
  return {
    nowMs: 0,
    settings,
    random,
    verdict: 'unknown',
    sinceMs: 0,
    successes: 0,
    failures: 0,
    isProbing: false,
    beatMs: 0,
    probeAtMs: random * Math.min(1_000, settings.intervalMs / 10),
    told: [],
  };
}

function judge(model: CheckerModel): CheckerModel {
  const { verdict, successes, failures, settings, nowMs, told } = model;
  const hasRisen = successes >= settings.healthyThreshold;
  const hasFallen = failures >= settings.unhealthyThreshold;
  const now = hasRisen ? 'healthy' : hasFallen ? 'unhealthy' : verdict;
  return now === verdict ? model : { ...model, verdict: now, sinceMs: nowMs, told: [...told, now] };
}

function planNext(model: CheckerModel): CheckerModel {
  const { beatMs, nowMs, random, settings } = model;
  const jitterMs = (random * settings.intervalMs) / 10;
  return { ...model, probeAtMs: Math.max(nowMs, beatMs + settings.intervalMs) + jitterMs };
}

/** After a change: what is late already does not become later. */
function planAnew(model: CheckerModel): CheckerModel {
  const { nowMs, beatMs, settings, probeAtMs } = model;
  const next = planNext(model);
  const isLate = beatMs + settings.intervalMs <= nowMs;
  return isLate ? { ...next, probeAtMs: Math.min(probeAtMs, next.probeAtMs) } : next;
}

function endProbe(model: CheckerModel, how: ProbeEnd): CheckerModel {
  const { nowMs, beatMs, settings, successes, failures, told } = model;
  const missed = Math.max(0, Math.floor((nowMs - beatMs) / settings.intervalMs));
  const ended = {
    ...model,
    isProbing: false,
    beatMs: beatMs + missed * settings.intervalMs,
    told: [...told, how],
  };
  if (how === 'passes') return planNext(judge({ ...ended, successes: successes + 1, failures: 0 }));
  if (how === 'fails') return planNext(judge({ ...ended, successes: 0, failures: failures + 1 }));
  return planNext(ended);
}

function tick(before: CheckerModel): CheckerModel {
  const model = { ...before, nowMs: before.nowMs + 1 };
  const { nowMs, isProbing, probeAtMs, beatMs, settings, told } = model;
  if (isProbing || nowMs < probeAtMs) return model;
  const isFirst = !told.some((entry) => entry.startsWith('probe'));
  return {
    ...model,
    isProbing: true,
    beatMs: isFirst ? beatMs : beatMs + settings.intervalMs,
    told: [...told, `probe at ${nowMs}`],
  };
}

export function stepChecker(model: CheckerModel, command: CheckerCommand): CheckerModel {
  switch (command.type) {
    case 'end':
      return model.isProbing ? endProbe(model, command.how) : model;
    case 'change': {
      const changed = judge({ ...model, settings: command.settings });
      const hasBegun = model.told.length > 0;
      return hasBegun && !model.isProbing ? planAnew(changed) : changed;
    }
    case 'pass': {
      let passed = model;
      for (let ms = 0; ms < command.ms; ms++) passed = tick(passed);
      return passed;
    }
    default:
      return command satisfies never;
  }
}

/** The verdict as a function of all results: the last run that was long enough decides. */
export function verdictOf(
  passed: readonly boolean[],
  { healthyThreshold, unhealthyThreshold }: HealthCheckSettings,
): HealthVerdict {
  for (let end = passed.length; end > 0; end--) {
    const lastOnes = (count: number) => passed.slice(Math.max(0, end - count), end);
    if (end >= healthyThreshold && lastOnes(healthyThreshold).every(Boolean)) return 'healthy';
    if (end >= unhealthyThreshold && !lastOnes(unhealthyThreshold).some(Boolean)) return 'unhealthy';
  }
  return 'unknown';
}

/** Small numbers, so that every threshold and beat is met often, and exactly. */
export const checkSettings: fc.Arbitrary<HealthCheckSettings> = fc.record({
  check: fc.constant({ type: 'tcp' as const }),
  intervalMs: fc.constantFrom(20, 30, 100),
  timeoutMs: fc.constant(15),
  healthyThreshold: fc.integer({ min: 1, max: 3 }),
  unhealthyThreshold: fc.integer({ min: 1, max: 3 }),
});

export const probeEnd: fc.Arbitrary<ProbeEnd> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom<ProbeEnd>('passes', 'fails') },
  { weight: 1, arbitrary: fc.constant<ProbeEnd>('is not made') },
);

export const checkerCommand: fc.Arbitrary<CheckerCommand> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('end' as const), how: probeEnd }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('pass' as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constantFrom(20, 30, 100)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('change' as const), settings: checkSettings }) },
);
