import type { SimulatedClock } from 'xstate';

/**
 * Lets time pass in small steps, of one millisecond unless said otherwise. `SimulatedClock.increment` alone runs the
 * timers that are due, but not those that they start, however far it jumps.
 */
export function letPass(clock: SimulatedClock, ms: number, stepMs = 1): void {
  for (let passedMs = 0; passedMs < ms; passedMs += stepMs) clock.increment(stepMs);
}
