import type { SimulatedClock } from 'xstate';

/**
 * Lets time pass in steps of one millisecond. `SimulatedClock.increment` alone runs the timers that are due, but
 * not those that they start, however far it jumps.
 */
export function letPass(clock: SimulatedClock, ms: number): void {
  for (let step = 0; step < ms; step++) clock.increment(1);
}
