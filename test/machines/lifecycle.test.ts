import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';
import { type CloseInput, lifecycleMachine, lifecycleStateOf } from '../../src/machines/lifecycle.ts';

/** A life cycle whose three actors are settled by the test. */
function aLifecycle(shutdownTimeoutMs = 30_000) {
  const clock = new SimulatedClock();
  const calls: string[] = [];
  const work = {
    start: Promise.withResolvers<void>(),
    drain: Promise.withResolvers<void>(),
    close: Promise.withResolvers<void>(),
  };
  // The test may reject one before the machine asks for it.
  for (const { promise } of Object.values(work)) promise.catch(() => {});
  const closeInputs: CloseInput[] = [];
  const actor = createActor(
    lifecycleMachine.provide({
      actors: {
        start: fromPromise(() => (calls.push('start'), work.start.promise)),
        drain: fromPromise(() => (calls.push('drain'), work.drain.promise)),
        close: fromPromise<void, CloseInput>(
          ({ input }) => (calls.push('close'), closeInputs.push(input), work.close.promise),
        ),
      },
    }),
    { clock, input: { shutdownTimeoutMs, now: () => clock.now() } },
  );
  const emitted: string[] = [];
  actor.on('*', (event) => emitted.push('reason' in event ? `${event.type} ${event.reason}` : event.type));
  actor.start();
  return {
    actor,
    clock,
    calls,
    emitted,
    closeInputs,
    state: () => lifecycleStateOf(actor.getSnapshot()),
    stop: () => actor.send({ type: 'STOP_REQUESTED' }),
    async settle(name: keyof typeof work, error?: Error) {
      if (error === undefined) work[name].resolve();
      else work[name].reject(error);
      await new Promise(setImmediate);
    },
  };
}

describe('lifecycle', () => {
  it('starts, runs, drains, closes and stops', async () => {
    const life = aLifecycle();
    expect(life.state()).toBe('starting');
    await life.settle('start');
    expect(life.state()).toBe('running');
    life.stop();
    expect(life.state()).toBe('draining');
    await life.settle('drain');
    expect(life.actor.getSnapshot().matches('closing')).toBe(true);
    await life.settle('close');
    expect(life.state()).toBe('stopped');
    expect(life.actor.getSnapshot().output).toEqual({ error: undefined, isAbandoned: false });
    expect(life.emitted).toEqual(['RUNNING', 'DRAINING']);
  });

  it('forces at the timeout, spread over a moment, and not before', async () => {
    const life = aLifecycle(30_000);
    await life.settle('start');
    life.stop();
    life.clock.increment(29_999);
    expect(life.state()).toBe('draining');
    life.clock.increment(1);
    expect(life.actor.getSnapshot().matches('closing')).toBe(true);
    expect(life.emitted.at(-1)).toBe('FORCING timeout');
    expect(life.closeInputs).toEqual([{ atOnce: false }]);
  });

  it('keeps the time it has drained when the timeout changes, and drains once', async () => {
    const life = aLifecycle(30_000);
    const change = (shutdownTimeoutMs: number): void =>
      life.actor.send({ type: 'SETTINGS_CHANGED', shutdownTimeoutMs });
    change(20_000);
    await life.settle('start');
    life.stop();
    life.clock.increment(10_000);
    change(15_000);
    life.clock.increment(4_999);
    expect(life.state()).toBe('draining');
    change(40_000);
    life.clock.increment(10_000);
    change(24_999);
    life.clock.increment(0);
    expect(life.state()).toBe('closing');
    expect(life.emitted).toEqual(['RUNNING', 'DRAINING', 'FORCING timeout']);
    expect(life.calls).toEqual(['start', 'drain', 'close']);
  });

  it('forces at once when asked again', async () => {
    const life = aLifecycle();
    await life.settle('start');
    life.stop();
    life.stop();
    expect(life.actor.getSnapshot().matches('closing')).toBe(true);
    expect(life.emitted.at(-1)).toBe('FORCING asked_again');
    expect(life.closeInputs).toEqual([{ atOnce: true }]);
  });

  it('closes at once when it is stopped while it starts, and never runs', async () => {
    const life = aLifecycle();
    life.stop();
    expect(life.actor.getSnapshot().matches('closing')).toBe(true);
    await life.settle('start');
    await life.settle('close');
    expect([life.state(), life.emitted]).toEqual(['stopped', []]);
  });

  it('releases what a failed start had taken, and fails with its error', async () => {
    const life = aLifecycle();
    await life.settle('start', new Error('port in use'));
    expect(life.state()).toBe('cleaningUp');
    await life.settle('close');
    expect(life.state()).toBe('failed');
    expect(life.actor.getSnapshot().output).toEqual({ error: new Error('port in use'), isAbandoned: false });
  });

  it('fails when closing fails', async () => {
    const life = aLifecycle();
    await life.settle('start');
    life.stop();
    await life.settle('drain');
    await life.settle('close', new Error('stuck'));
    expect(life.state()).toBe('failed');
  });

  it('leaves behind a close that does not end: after its bound, or a second after it was asked to hurry', async () => {
    const slow = aLifecycle();
    await slow.settle('start', undefined);
    slow.stop();
    await slow.settle('drain');
    slow.clock.increment(14_999);
    expect(slow.actor.getSnapshot().matches('closing')).toBe(true);
    slow.clock.increment(1);
    expect(slow.actor.getSnapshot().output).toEqual({ error: undefined, isAbandoned: true });

    const hurried = aLifecycle();
    hurried.stop();
    expect(hurried.actor.getSnapshot().matches({ closing: 'orderly' })).toBe(true);
    hurried.stop();
    hurried.clock.increment(999);
    expect(hurried.actor.getSnapshot().matches({ closing: 'hurried' })).toBe(true);
    hurried.clock.increment(1);
    expect(hurried.state()).toBe('abandoned');
    expect(hurried.emitted).toEqual(['ABANDONED']);
  });

  it('names the actor that nobody provided', async () => {
    const actor = createActor(lifecycleMachine, { input: { shutdownTimeoutMs: 1, now: () => 0 } });
    actor.start();
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(actor.getSnapshot().output?.error).toMatchObject({
      code: 'ERR_NOT_PROVIDED',
      message: "actor 'start' is not provided: pass it to machine.provide()",
    });
  });

  it('ends in stopped, failed or abandoned, having closed exactly once, whatever happens in whatever order', async () => {
    const step = fc.constantFrom(
      'stop',
      'start',
      'startFails',
      'drain',
      'drainFails',
      'close',
      'closeFails',
      'time',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const life = aLifecycle(10);
        for (const name of [...steps, 'start', 'stop', 'time', 'close']) {
          if (name === 'stop') life.stop();
          else if (name === 'time') life.clock.increment(10);
          else if (name.endsWith('Fails')) {
            await life.settle(name.slice(0, -5) as 'start', new Error(name));
          } else await life.settle(name as 'start');
        }
        expect(['stopped', 'failed', 'abandoned']).toContain(life.state());
        expect(life.calls.filter((call) => call === 'close')).toHaveLength(1);
        expect(life.calls.filter((call) => call === 'start')).toHaveLength(1);
        expect(life.calls.indexOf('close')).toBe(life.calls.length - 1);
      }),
      { numRuns: 1_000 },
    );
  });
});
