import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActor, SimulatedClock } from 'xstate';
import { backendMachine, phaseOf } from '../../src/machines/backend.ts';
import {
  type BackendCommand,
  backendCommand,
  drainTimeout,
  newBackend,
  stepBackend,
  withTold,
} from './backend-model.ts';
import { letPass } from './simulated-time.ts';

/** The real machine on a simulated clock, taking the commands of the model. */
function aBackendLife(drainTimeoutMs: number) {
  const clock = new SimulatedClock();
  const actor = createActor(backendMachine, { clock, input: { drainTimeoutMs, now: () => clock.now() } });
  let told: readonly string[] = [];
  actor.on('PHASE_CHANGED', ({ phase }) => (told = withTold(told, clock.now(), phase)));
  actor.on('CUT', () => (told = withTold(told, clock.now(), 'cut')));
  actor.start();

  function apply(command: BackendCommand): void {
    // XState warns of events for an actor that has ended.
    if (actor.getSnapshot().status === 'done') return undefined;
    switch (command.type) {
      case 'remove':
        return actor.send({ type: 'REMOVED' });
      case 'restore':
        return actor.send({ type: 'RESTORED' });
      case 'idle':
        return actor.send({ type: 'IDLE' });
      case 'up':
        return actor.send({ type: 'CAME_UP' });
      case 'down':
        return actor.send({ type: 'WENT_DOWN', policy: command.policy });
      case 'change':
        return actor.send({ type: 'SETTINGS_CHANGED', drainTimeoutMs: command.drainTimeoutMs });
      case 'pass':
        return letPass(clock, command.ms);
      default:
        return command satisfies never;
    }
  }
  return { apply, told: () => told, phase: () => phaseOf(actor.getSnapshot()) };
}

const commands = fc.array(backendCommand, { maxLength: 40 });

describe('the life of a backend', () => {
  it('does what the model says, whatever happens in whatever order', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(drainTimeout, commands, (drainTimeoutMs, list) => {
        const life = aBackendLife(drainTimeoutMs);
        let model = newBackend(drainTimeoutMs);
        for (const command of list) {
          life.apply(command);
          model = stepBackend(model, command);
          expect(life.phase()).toBe(model.phase);
          expect(life.told()).toEqual(model.told);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('once its row is gone for good, it is removed within the timeout, whatever checks say', () => {
    expect.hasAssertions();
    const others = fc.array(
      backendCommand.filter(({ type }) => type === 'up' || type === 'down'),
      { minLength: 13, maxLength: 13 },
    );
    fc.assert(
      fc.property(drainTimeout, commands, others, (drainTimeoutMs, list, meanwhile) => {
        const life = aBackendLife(drainTimeoutMs);
        for (const command of list) life.apply(command);
        life.apply({ type: 'change', drainTimeoutMs });
        life.apply({ type: 'remove' });
        for (const command of meanwhile) {
          life.apply(command);
          life.apply({ type: 'pass', ms: 1 });
        }
        expect(life.phase()).toBe('removed');
        const story = life.told();
        life.apply({ type: 'restore' });
        expect([life.phase(), life.told()]).toEqual(['removed', story]);
      }),
      { numRuns: 1_000 },
    );
  });
});
