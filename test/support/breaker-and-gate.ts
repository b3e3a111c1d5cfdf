import { createActor, SimulatedClock } from 'xstate';
import { letPass } from '../../examples/property-tests/simulated-time.ts';
import {
  circuitBreakerMachine,
  type CircuitBreakerSettings,
  circuitGateOf,
} from '../../src/machines/circuit-breaker.ts';
import { Gates, newGatesMemory, SHUT } from '../../src/proxy/gates.ts';
import { MAX_SLOTS } from '../../src/proxy/shared-columns.ts';

export const gates = new Gates(newGatesMemory(MAX_SLOTS));
/** Each pair uses a slot of its own, as backends do. */
let lastSlot = 0;
export const nextSlot = (): number => ++lastSlot;

export const PAIR_SETTINGS = { failureThreshold: 1, successThreshold: 3, openMs: 5, leaseMs: 6 };

/** A connection, as the proxy holds it. */
interface Trial {
  readonly epoch: number;
  readonly permit: number;
  /** The grant and the number of permits in force when it was let in. */
  readonly grant: number;
}

/** A breaker and the gates that its decisions are applied to, as the daemon joins them. */
export function aPair(settings: CircuitBreakerSettings = PAIR_SETTINGS) {
  const clock = new SimulatedClock();
  const actor = createActor(circuitBreakerMachine, { clock, input: { settings, now: () => clock.now() } });
  const slot = nextSlot();
  const trials: Trial[] = [];
  let isEligible = true;
  let applied = circuitGateOf(actor.getSnapshot());
  actor.start();
  gates.apply(slot, applied);

  /** What the next eligible set says: a circuit that is open is out, and a panic disregards circuits. */
  function apply(isPanic = false): void {
    const gate = circuitGateOf(actor.getSnapshot());
    applied = isPanic ? { ...gate, permits: undefined } : gate;
    isEligible = applied.permits !== 0;
    if (isEligible) gates.apply(slot, applied);
  }

  const mayEnter = (): boolean => isEligible && !gates.isShut(slot);

  function enter(): boolean {
    if (!isEligible) return false;
    const isShut = gates.isShut(slot);
    const permit = gates.take(slot);
    if ((permit === SHUT) !== isShut) throw new Error('what is said of a gate and what it does differ');
    if (isShut) return false;
    trials.push({ epoch: gates.epochOf(slot), permit, grant: applied.grant });
    return true;
  }

  function end(index: number, how: 'success' | 'failure' | 'abort'): void {
    const [trial] = trials.splice(index % Math.max(1, trials.length), 1);
    if (trial === undefined) return;
    gates.giveBack(slot, trial.permit);
    const { epoch } = trial;
    if (how !== 'abort')
      actor.send({ type: how === 'success' ? 'CONNECTION_SUCCEEDED' : 'CONNECTION_FAILED', epoch });
  }

  return {
    actor,
    apply,
    mayEnter,
    enter,
    end,
    trials,
    applied: () => applied,
    pass: (ms: number) => letPass(clock, ms),
    enterAll: (): number => {
      let entered = 0;
      while (entered < 100 && enter()) entered++;
      return entered;
    },
    /** Trials in flight on the grant in force. */
    inFlight: () => trials.filter(({ permit }) => permit === applied.grant).length,
    halfOpen: (): void => {
      for (let failure = 0; failure < settings.failureThreshold; failure++) {
        enter();
        end(0, 'failure');
      }
      letPass(clock, settings.openMs);
      apply();
    },
  };
}
