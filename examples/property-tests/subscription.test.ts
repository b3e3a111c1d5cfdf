import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyEventObject, createActor, fromCallback, SimulatedClock } from 'xstate';
import { postgresSubscriptionMachine } from '../../src/machines/postgres-subscription.ts';
import type { SessionCommand, SessionReport } from '../../src/machines/subscription-session.ts';
import { letPass } from './simulated-time.ts';
import {
  CLOSE_MS,
  hasSession,
  newSubscription,
  type Report,
  stepSubscription,
  SUBSCRIPTION_TICK_MS,
  type SubscriptionCommand,
  subscriptionCommand,
  type SubscriptionPhase,
  subscriptionTiming,
  type SubscriptionTiming,
} from './subscription-model.ts';

const REPORTS: Readonly<Record<Report, SessionReport>> = {
  listens: { type: 'LISTENING' },
  'is notified': { type: 'NOTIFIED' },
  passes: { type: 'BEAT_PASSED' },
  fails: { type: 'BEAT_FAILED', error: new Error('no echo') },
  'is lost': { type: 'SESSION_LOST', error: new Error('terminated') },
  'is closed': { type: 'SESSION_CLOSED' },
};

/** The real machine on a simulated clock, with sessions that report what the test says. */
function aSubscription(timing: SubscriptionTiming) {
  const clock = new SimulatedClock();
  const told: string[] = [];
  const asked: string[] = [];
  const sessions = new Set<(report: SessionReport) => void>();
  const session = fromCallback<AnyEventObject & SessionCommand>(({ sendBack, receive }) => {
    const report = (event: SessionReport): void => sendBack(event);
    sessions.add(report);
    asked.push('OPEN');
    receive(({ type }) => asked.push(type));
    return () => sessions.delete(report);
  });
  const { random, ...durations } = timing;
  const actor = createActor(postgresSubscriptionMachine.provide({ actors: { session } }), {
    clock,
    input: { ...durations, now: () => clock.now(), random: () => random },
  });
  actor.on('*', (event) => {
    const detail = event.type === 'LOST' ? ` ${event.failures} ${event.retryInMs}` : '';
    told.push(`${event.type}${detail} at ${clock.now()}`);
  });
  actor.start();

  function phase(): SubscriptionPhase {
    const { value } = actor.getSnapshot();
    return typeof value === 'string' ? value : value.session;
  }

  function apply(command: SubscriptionCommand): void {
    // XState warns of events for an actor that has ended.
    if (actor.getSnapshot().status === 'done') return undefined;
    switch (command.type) {
      case 'report':
        return sessions.forEach((report) => report(REPORTS[command.what]));
      case 'stop':
        return actor.send({ type: 'STOP' });
      case 'pass':
        return letPass(clock, command.ms, SUBSCRIPTION_TICK_MS);
      default:
        return command satisfies never;
    }
  }
  return { apply, phase, told, asked, openSessions: () => sessions.size };
}

const commands = fc.array(subscriptionCommand, { maxLength: 40 });

describe('the subscription', () => {
  it('does what the model says, whatever happens in whatever order', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(subscriptionTiming, commands, (timing, list) => {
        const subscription = aSubscription(timing);
        let model = newSubscription(timing);
        for (const command of list) {
          subscription.apply(command);
          model = stepSubscription(model, command);
          expect(subscription.phase()).toBe(model.phase);
          expect(subscription.openSessions()).toBe(hasSession(model) ? 1 : 0);
          expect([subscription.told, subscription.asked]).toEqual([model.told, model.asked]);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('never waits for ever: from any state, silent sessions are given up and new ones opened', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(subscriptionTiming, commands, (timing, list) => {
        const { apply, asked, openSessions } = aSubscription(timing);
        for (const command of list.filter(({ type }) => type !== 'stop')) apply(command);
        const opened = (): number => asked.filter((what) => what === 'OPEN').length;
        const before = opened();
        const { heartbeatIntervalMs, heartbeatTimeoutMs, connectTimeoutMs, backoff } = timing;
        const deadlinesMs = heartbeatIntervalMs + Math.max(heartbeatTimeoutMs, connectTimeoutMs) + 500;
        apply({ type: 'pass', ms: deadlinesMs + backoff.maxMs });
        expect(opened()).toBeGreaterThan(before);
        expect(openSessions()).toBeLessThanOrEqual(1);
      }),
      { numRuns: 1_000 },
    );
  });

  it('ends in time when it is asked to, whatever its session does, and tells nothing more', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(subscriptionTiming, commands, commands, (timing, list, meanwhile) => {
        const { apply, phase, told, openSessions } = aSubscription(timing);
        for (const command of list) apply(command);
        apply({ type: 'stop' });
        const before = [...told];
        for (const command of meanwhile) apply(command.type === 'pass' ? { type: 'stop' } : command);
        apply({ type: 'pass', ms: CLOSE_MS });
        expect([phase(), openSessions(), told]).toEqual(['stopped', 0, before]);
      }),
      { numRuns: 1_000 },
    );
  });
});
