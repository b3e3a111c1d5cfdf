import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActor, SimulatedClock } from 'xstate';
import {
  circuitBreakerMachine,
  type CircuitBreakerSettings,
  circuitGateOf,
} from '../../src/machines/circuit-breaker.ts';
import {
  type CircuitCommand,
  circuitCommand,
  type CircuitModel,
  circuitSettings,
  newCircuit,
  stepCircuit,
} from './circuit-breaker-model.ts';
import { letPass } from './simulated-time.ts';

/** The real breaker on a simulated clock, taking the commands of the model. */
function aBreaker(settings: CircuitBreakerSettings) {
  const clock = new SimulatedClock();
  const actor = createActor(circuitBreakerMachine, { clock, input: { settings, now: () => clock.now() } });
  const told: string[] = [];
  actor.on('TRANSITIONED', ({ to, cause, epoch }) => told.push(`${to} ${cause} ${epoch}`));
  actor.on('PERMITS_RENEWED', ({ grant }) => told.push(`renewed ${grant}`));
  actor.start();

  function apply(command: CircuitCommand): void {
    const { epoch } = actor.getSnapshot().context;
    switch (command.type) {
      case 'succeed':
        return actor.send({ type: 'CONNECTION_SUCCEEDED', epoch: epoch - command.age });
      case 'fail':
        return actor.send({ type: 'CONNECTION_FAILED', epoch: epoch - command.age });
      case 'change':
        return actor.send({ type: 'SETTINGS_CHANGED', settings: command.settings });
      case 'reset':
        return actor.send({ type: 'RESET' });
      case 'pass':
        return letPass(clock, command.ms);
      default:
        return command satisfies never;
    }
  }
  return { actor, told, apply };
}

const permitsOf = ({ state, settings }: CircuitModel): number | undefined =>
  ({ closed: undefined, open: 0, halfOpen: settings.successThreshold })[state];

describe('the circuit breaker', () => {
  it('does what the model says, whatever happens in whatever order', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(circuitSettings, fc.array(circuitCommand, { maxLength: 60 }), (settings, commands) => {
        const breaker = aBreaker(settings);
        let model = newCircuit(settings);
        for (const command of commands) {
          breaker.apply(command);
          model = stepCircuit(model, command);
          expect(breaker.actor.getSnapshot().value).toBe(model.state);
          const { epoch, grant } = model;
          expect(circuitGateOf(breaker.actor.getSnapshot())).toEqual({
            epoch,
            grant,
            permits: permitsOf(model),
          });
          expect(breaker.told).toEqual(model.told);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is always tried again: from any state, good trials close it', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(circuitSettings, fc.array(circuitCommand, { maxLength: 60 }), (settings, commands) => {
        const { actor, apply } = aBreaker(settings);
        for (const command of commands) apply(command);
        const present = actor.getSnapshot().context.settings;
        if (actor.getSnapshot().matches('open')) apply({ type: 'pass', ms: present.openMs });
        expect(actor.getSnapshot().value).not.toBe('open');
        for (let trial = 0; trial < present.successThreshold; trial++) apply({ type: 'succeed', age: 0 });
        expect(actor.getSnapshot().value).toBe('closed');
      }),
      { numRuns: 1_000 },
    );
  });

  it('drops outcomes of other epochs: a story with them is the same story without', () => {
    expect.hasAssertions();
    const stale = fc.record({
      type: fc.constantFrom('succeed' as const, 'fail' as const),
      age: fc.constantFrom(1, 2, 3, -1),
    });
    const story = fc.array(fc.tuple(circuitCommand, fc.array(stale, { maxLength: 3 })), { maxLength: 60 });
    fc.assert(
      fc.property(circuitSettings, story, (settings, list) => {
        const [disturbed, calm] = [aBreaker(settings), aBreaker(settings)];
        for (const [command, outcomes] of list) {
          for (const outcome of outcomes) disturbed.apply(outcome);
          for (const breaker of [disturbed, calm]) breaker.apply(command);
          expect(disturbed.actor.getSnapshot().value).toBe(calm.actor.getSnapshot().value);
          expect(circuitGateOf(disturbed.actor.getSnapshot())).toEqual(
            circuitGateOf(calm.actor.getSnapshot()),
          );
        }
        expect(disturbed.told).toEqual(calm.told);
      }),
      { numRuns: 1_000 },
    );
  });

  it('stays open for its time exactly, however many connections fail meanwhile', () => {
    expect.hasAssertions();
    const failures = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(circuitSettings, failures, (settings, failuresAt) => {
        const { actor, apply } = aBreaker(settings);
        for (let n = 0; n < settings.failureThreshold; n++) apply({ type: 'fail', age: 0 });
        for (let ms = 0; ms < settings.openMs; ms++) {
          expect(actor.getSnapshot().value).toBe('open');
          for (let n = 0; n < failuresAt[ms]!; n++) apply({ type: 'fail', age: n % 2 });
          apply({ type: 'pass', ms: 1 });
        }
        expect(actor.getSnapshot().value).toBe('halfOpen');
      }),
      { numRuns: 1_000 },
    );
  });
});
