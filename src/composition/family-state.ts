import type { BackendState } from '../adapters/http/admin-answers.ts';
import { microseconds, secondsOf } from '../domain/rounding.ts';
import type { BackendFamily } from './backend-family.ts';

type FamilyState = Pick<BackendState, 'life' | 'health' | 'breaker'>;

/** What the actors of a backend say. @param family absent for a backend that nothing lives for any more */
export function stateOfFamily(family: BackendFamily | undefined, nowMs: number): FamilyState {
  if (family === undefined) return { life: 'gone', health: null, breaker: null };
  return {
    life: family.isDraining ? 'draining' : 'active',
    health: healthOf(family, nowMs),
    breaker: breakerOf(family, nowMs),
  };
}

function healthOf({ health }: BackendFamily, nowMs: number): FamilyState['health'] {
  if (health === undefined) return null;
  return {
    verdict: health.verdict,
    sinceSecs: secondsOf(Math.max(0, nowMs - health.sinceMs)),
    lastLatencyMs: health.lastLatencyMs === undefined ? null : microseconds(health.lastLatencyMs),
    lastError: health.lastError ?? null,
    successes: health.consecutiveSuccesses,
    failures: health.consecutiveFailures,
  };
}

function breakerOf({ breaker }: BackendFamily, nowMs: number): FamilyState['breaker'] {
  if (breaker === undefined) return null;
  const { value: state, context } = breaker.getSnapshot();
  const { failures, successes, settings, timerSinceMs } = context;
  const leftMs = Math.max(0, timerSinceMs + settings.openMs - nowMs);
  return { state, failures, successes, triedAgainInSecs: state === 'open' ? secondsOf(leftMs) : null };
}
