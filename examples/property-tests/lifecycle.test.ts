import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';
import { type CloseInput, lifecycleMachine, lifecycleStateOf } from '../../src/machines/lifecycle.ts';
import {
  isOver,
  LIFE_TICK_MS,
  type LifeCommand,
  lifeCommand,
  type LifePhase,
  newLife,
  shutdownTimeout,
  stepLife,
} from './lifecycle-model.ts';
import { letPass } from './simulated-time.ts';

/** The real machine on a simulated clock, with work that ends when and as the test says. */
function aLife(shutdownTimeoutMs: number) {
  const clock = new SimulatedClock();
  const begun: string[] = [];
  const told: string[] = [];
  let underWay = Promise.withResolvers<void>();
  const work = (name: string): Promise<void> => {
    begun.push(name);
    underWay = Promise.withResolvers<void>();
    return underWay.promise;
  };
  const machine = lifecycleMachine.provide({
    actors: {
      start: fromPromise(() => work('start')),
      drain: fromPromise(() => work('drain')),
      close: fromPromise<void, CloseInput>(({ input }) => work(input.atOnce ? 'close at once' : 'close')),
    },
  });
  const actor = createActor(machine, { clock, input: { shutdownTimeoutMs, now: () => clock.now() } });
  actor.on('*', (event) => told.push('reason' in event ? `${event.type} ${event.reason}` : event.type));
  actor.start();

  function phase(): LifePhase {
    const snapshot = actor.getSnapshot();
    const { value } = snapshot;
    const isHurried = typeof value === 'object' && 'closing' in value && value.closing === 'hurried';
    return isHurried ? 'hurried' : lifecycleStateOf(snapshot);
  }

  async function apply(command: LifeCommand): Promise<void> {
    // XState warns of events for an actor that has ended.
    if (actor.getSnapshot().status === 'done') return undefined;
    switch (command.type) {
      case 'stop':
        return actor.send({ type: 'STOP_REQUESTED' });
      case 'end':
        if (command.error === undefined) underWay.resolve();
        else underWay.reject(new Error(command.error));
        await new Promise(setImmediate);
        return undefined;
      case 'change':
        return actor.send({ type: 'SETTINGS_CHANGED', shutdownTimeoutMs: command.shutdownTimeoutMs });
      case 'pass':
        return letPass(clock, command.ms, LIFE_TICK_MS);
      default:
        return command satisfies never;
    }
  }
  return { apply, phase, told, begun, output: () => actor.getSnapshot().output };
}

const commands = fc.array(lifeCommand, { maxLength: 15 });

describe('the life of the daemon', () => {
  it('does what the model says, whatever happens in whatever order', async () => {
    expect.hasAssertions();
    await fc.assert(
      fc.asyncProperty(shutdownTimeout, commands, async (shutdownTimeoutMs, list) => {
        const life = aLife(shutdownTimeoutMs);
        let model = newLife(shutdownTimeoutMs);
        for (const command of list) {
          await life.apply(command);
          model = stepLife(model, command);
          const { phase, told, begun, error } = model;
          expect([life.phase(), life.told, life.begun]).toEqual([phase, told, begun]);
          expect(life.output()).toEqual(
            isOver(model)
              ? {
                  error: error === undefined ? undefined : new Error(error),
                  isAbandoned: phase === 'abandoned',
                }
              : undefined,
          );
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is over a second after it was asked to stop three times, whatever hangs, and has closed once', async () => {
    expect.hasAssertions();
    await fc.assert(
      fc.asyncProperty(shutdownTimeout, commands, async (shutdownTimeoutMs, list) => {
        const life = aLife(shutdownTimeoutMs);
        for (const command of list) await life.apply(command);
        for (let time = 0; time < 3; time++) await life.apply({ type: 'stop' });
        await life.apply({ type: 'pass', ms: 1_000 });
        expect(['stopped', 'failed', 'abandoned']).toContain(life.phase());
        expect(life.begun.filter((work) => work.startsWith('close'))).toEqual([life.begun.at(-1)]);
      }),
      { numRuns: 1_000 },
    );
  });
});
