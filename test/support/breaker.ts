import { createActor, SimulatedClock } from 'xstate';
import {
  circuitBreakerMachine,
  type CircuitBreakerSettings,
  circuitGateOf,
} from '../../src/machines/circuit-breaker.ts';

const SETTINGS = { failureThreshold: 5, successThreshold: 3, openMs: 30_000, leaseMs: 20_000 };

/** A breaker on a simulated clock; outcomes are of the present epoch unless said otherwise. */
export function aBreaker(settings: Partial<CircuitBreakerSettings> = {}, firstEpoch?: number) {
  const clock = new SimulatedClock();
  const input = { settings: { ...SETTINGS, ...settings }, now: () => clock.now(), firstEpoch };
  const actor = createActor(circuitBreakerMachine, { clock, input });
  const told: string[] = [];
  actor.on('TRANSITIONED', ({ to, cause }) => told.push(`${to}: ${cause}`));
  actor.on('PERMITS_RENEWED', ({ grant }) => told.push(`renewed: ${grant}`));
  actor.start();
  const gate = () => circuitGateOf(actor.getSnapshot());
  const fail = (times = 1, epoch = gate().epoch): void => {
    for (let n = 0; n < times; n++) actor.send({ type: 'CONNECTION_FAILED', epoch });
  };
  return {
    actor,
    told,
    gate,
    fail,
    succeed: (times = 1, epoch = gate().epoch): void => {
      for (let n = 0; n < times; n++) actor.send({ type: 'CONNECTION_SUCCEEDED', epoch });
    },
    change: (changed: Partial<CircuitBreakerSettings>) =>
      actor.send({ type: 'SETTINGS_CHANGED', settings: { ...input.settings, ...changed } }),
    pass: (ms: number) => clock.increment(ms),
    state: () => actor.getSnapshot().value,
    open: () => fail(input.settings.failureThreshold),
    halfOpen: (): void => {
      fail(input.settings.failureThreshold);
      clock.increment(input.settings.openMs);
    },
  };
}
