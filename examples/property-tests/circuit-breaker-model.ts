import * as fc from 'fast-check';
import type { CircuitBreakerSettings, CircuitState } from '../../src/machines/circuit-breaker.ts';

/** What the circuit breaker should be, in a few lines: no chart, no timers, only what is so at `nowMs`. */
export interface CircuitModel {
  readonly nowMs: number;
  readonly settings: CircuitBreakerSettings;
  readonly state: CircuitState;
  readonly epoch: number;
  readonly grant: number;
  /** Failures in a row while closed, successful trials while half-open. */
  readonly count: number;
  /** When the circuit opened, or half-open last heard of a trial. */
  readonly sinceMs: number;
  /** What the breaker has told so far. */
  readonly told: readonly string[];
}

export type CircuitCommand =
  /** `age` is how many epochs ago the connection was let in. */
  | { readonly type: 'succeed'; readonly age: number }
  | { readonly type: 'fail'; readonly age: number }
  | { readonly type: 'change'; readonly settings: CircuitBreakerSettings }
  | { readonly type: 'reset' }
  | { readonly type: 'pass'; readonly ms: number };

export function newCircuit(settings: CircuitBreakerSettings): CircuitModel {
  return { nowMs: 0, settings, state: 'closed', epoch: 1, grant: 1, count: 0, sinceMs: 0, told: [] };
}

function enter(model: CircuitModel, state: CircuitState, cause: string): CircuitModel {
  const { nowMs, epoch, grant, told } = model;
  return {
    ...model,
    state,
    epoch: epoch + 1,
    grant: grant + 1,
    count: 0,
    sinceMs: nowMs,
    told: [...told, `${state} ${cause} ${epoch + 1}`],
  };
}

function judge(model: CircuitModel): CircuitModel {
  const { state, count, settings } = model;
  if (state === 'closed' && count >= settings.failureThreshold)
    return enter(model, 'open', 'failure_threshold');
  if (state === 'halfOpen' && count >= settings.successThreshold) {
    return enter(model, 'closed', 'success_threshold');
  }
  return model;
}

function tick(before: CircuitModel): CircuitModel {
  const model = { ...before, nowMs: before.nowMs + 1 };
  const { state, settings, nowMs, sinceMs, grant, told } = model;
  if (state === 'open' && nowMs - sinceMs >= settings.openMs) return enter(model, 'halfOpen', 'open_timeout');
  if (state === 'halfOpen' && nowMs - sinceMs >= settings.leaseMs) {
    return { ...model, grant: grant + 1, sinceMs: nowMs, told: [...told, `renewed ${grant + 1}`] };
  }
  return model;
}

export function stepCircuit(model: CircuitModel, command: CircuitCommand): CircuitModel {
  const { state, count, nowMs } = model;
  switch (command.type) {
    case 'succeed':
      if (command.age !== 0) return model;
      if (state === 'closed') return { ...model, count: 0 };
      return state === 'open' ? model : judge({ ...model, count: count + 1, sinceMs: nowMs });
    case 'fail':
      if (command.age !== 0) return model;
      if (state === 'closed') return judge({ ...model, count: count + 1 });
      return state === 'open' ? model : enter(model, 'open', 'trial_failed');
    case 'change':
      return judge({ ...model, settings: command.settings });
    case 'reset':
      return enter(model, 'closed', 'reset');
    case 'pass': {
      let passed = model;
      for (let ms = 0; ms < command.ms; ms++) passed = tick(passed);
      return passed;
    }
    default:
      return command satisfies never;
  }
}

/** Small numbers, so that every threshold and timer is met often, and exactly. */
export const circuitSettings: fc.Arbitrary<CircuitBreakerSettings> = fc.record({
  failureThreshold: fc.integer({ min: 1, max: 4 }),
  successThreshold: fc.integer({ min: 1, max: 3 }),
  openMs: fc.integer({ min: 1, max: 8 }),
  leaseMs: fc.integer({ min: 1, max: 8 }),
});

/** Mostly of the present epoch; -1 is one that has not begun. */
const age = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(1, 2, -1) },
);

export const circuitCommand: fc.Arbitrary<CircuitCommand> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('fail' as const), age }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('succeed' as const), age }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 9 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('change' as const), settings: circuitSettings }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reset' as const) }) },
);
