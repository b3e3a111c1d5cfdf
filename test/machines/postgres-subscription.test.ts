import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createActor, fromCallback, SimulatedClock, toPromise, waitFor, type AnyEventObject } from 'xstate';
import type { OpenSubscription, SubscriptionHandlers } from '../../src/domain/backend-source.ts';
import {
  postgresSubscriptionMachine,
  type PostgresSubscriptionInput,
} from '../../src/machines/postgres-subscription.ts';
import {
  sessionActor,
  type SessionCommand,
  type SessionReport,
} from '../../src/machines/subscription-session.ts';

/** A deaf one takes LISTEN and sends no notification. */
type Database = 'up' | 'down' | 'frozen' | 'deaf';

const TIMING = {
  random: () => 0.5,
  backoff: { baseMs: 1000, maxMs: 30_000 },
  connectTimeoutMs: 5000,
  heartbeatIntervalMs: 20_000,
  heartbeatTimeoutMs: 3000,
};

const STEP_MS = 50;

/** Longer than the longest way from any state to live: a beat, its deadline, a backoff, a connect, a beat. */
const RECOVERY_MS = 20_000 + 3500 + 30_000 + 5500 + 3500;

/** A subscription on a simulated clock, with a database that the test switches. */
function createWorld(timing: Partial<PostgresSubscriptionInput> = {}) {
  const clock = new SimulatedClock();
  const told: string[] = [];
  const delaysMs: number[] = [];
  const sessions = new Set<(report: SessionReport) => void>();
  let database: Database = 'up';

  const session = fromCallback<AnyEventObject & SessionCommand>(({ sendBack, receive }) => {
    const report = (event: SessionReport): void => sendBack(event);
    sessions.add(report);
    if (database === 'down') report({ type: 'SESSION_LOST', error: new Error('refused') });
    if (database === 'up' || database === 'deaf') {
      told.push('LISTEN');
      report({ type: 'LISTENING' });
    }
    receive((command) => {
      if (command.type === 'CLOSE' && database !== 'frozen') report({ type: 'SESSION_CLOSED' });
      if (command.type === 'BEAT' && database === 'up') report({ type: 'BEAT_PASSED' });
      if (command.type === 'BEAT' && database === 'down') {
        report({ type: 'BEAT_FAILED', error: new Error('gone') });
      }
    });
    return () => sessions.delete(report);
  });
  const actor = createActor(postgresSubscriptionMachine.provide({ actors: { session } }), {
    clock,
    input: { now: () => clock.now(), ...TIMING, ...timing },
  });
  actor.on('*', (event) => {
    told.push(event.type === 'CHANGED' ? `CHANGED at ${event.atMs}` : event.type);
    if (event.type === 'LOST') delaysMs.push(event.retryInMs);
  });
  const tell = (report: SessionReport): void => {
    for (const send of sessions) send(report);
  };

  return {
    actor,
    told,
    delaysMs,
    openSessions: () => sessions.size,
    start: () => actor.start(),
    notify: () => tell({ type: 'NOTIFIED' }),
    killSessions: () => tell({ type: 'SESSION_LOST', error: new Error('terminated') }),
    set database(state: Database) {
      database = state;
    },
    /** In steps, as the clock does not run a delay that begins within one step. */
    advance(ms: number): void {
      for (let leftMs = ms; leftMs > 0; leftMs -= STEP_MS) clock.increment(Math.min(STEP_MS, leftMs));
    },
    state: () => JSON.stringify(actor.getSnapshot().value).replaceAll(/["{}]/g, ''),
    isLive: () => actor.getSnapshot().hasTag('live'),
    isStopped: () => actor.getSnapshot().status === 'done',
  };
}

describe('the way to live', () => {
  test('listens, then hints to read, then is live', () => {
    const world = createWorld();
    world.start();
    expect(world.told).toEqual(['LISTEN', 'CHANGED at 0', 'LIVE']);
    expect(world.state()).toBe('session:live');
  });

  test('every notification is a hint, also while a heartbeat is under way', () => {
    const world = createWorld();
    world.start();
    world.advance(500);
    world.notify();
    world.database = 'frozen';
    world.advance(19_500);
    expect(world.state()).toBe('session:checking');
    world.notify();
    expect(world.told.slice(3)).toEqual(['CHANGED at 500', 'CHANGED at 20000']);
  });

  test('what comes before LISTEN is no hint: the one after LISTEN covers it', () => {
    const world = createWorld();
    world.database = 'frozen';
    world.start();
    world.notify();
    expect(world.told).toEqual([]);
  });

  test('heartbeats that pass change nothing for the world', () => {
    const world = createWorld();
    world.start();
    world.advance(100_000);
    expect(world.told).toEqual(['LISTEN', 'CHANGED at 0', 'LIVE']);
    expect(world.openSessions()).toBe(1);
  });
});

describe('trouble', () => {
  test('a lost session is opened again after a delay, LISTEN first, then the hint', () => {
    const world = createWorld();
    world.start();
    world.killSessions();
    expect(world.state()).toBe('backingOff');
    expect(world.openSessions()).toBe(0);
    world.advance(750);
    expect(world.told.slice(3)).toEqual(['LOST', 'LISTEN', 'CHANGED at 750', 'LIVE']);
  });

  test('a database that stops answering is noticed by the heartbeat', () => {
    const world = createWorld();
    world.start();
    world.database = 'frozen';
    world.advance(23_400);
    expect(world.isLive()).toBe(true);
    world.advance(100);
    expect(world.isLive()).toBe(false);
    expect(world.told.at(-1)).toBe('LOST');
  });

  test('an attempt that neither fails nor succeeds is given up', () => {
    const world = createWorld();
    world.database = 'frozen';
    world.start();
    world.advance(5400);
    expect(world.state()).toBe('session:connecting');
    world.advance(100);
    expect(world.state()).toBe('backingOff');
    expect(world.openSessions()).toBe(0);
  });

  test('delays grow to their bound and never end', () => {
    const world = createWorld();
    world.database = 'down';
    world.start();
    world.advance(600_000);
    expect(world.delaysMs.slice(0, 7)).toEqual([750, 1500, 3000, 6000, 12_000, 22_500, 22_500]);
    expect(world.delaysMs.length).toBeGreaterThan(25);
  });

  test('delays start over once a heartbeat came back', () => {
    const world = createWorld();
    world.database = 'down';
    world.start();
    world.advance(750 + 1500);
    world.database = 'up';
    world.advance(3000);
    expect(world.isLive()).toBe(true);
    world.killSessions();
    expect(world.delaysMs).toEqual([750, 1500, 3000, 750]);
  });

  test('delays grow while LISTEN succeeds but no heartbeat comes back', () => {
    const world = createWorld();
    world.database = 'deaf';
    world.start();
    world.advance(3 * 3500 + 750 + 1500);
    expect(world.delaysMs).toEqual([750, 1500, 3000]);
    expect(world.told).not.toContain('LIVE');
  });
});

describe('STOP', () => {
  test.each<[string, Database, number, string]>([
    ['connecting', 'frozen', 0, 'session:connecting'],
    ['live', 'up', 0, 'session:live'],
    ['backing off', 'down', 0, 'backingOff'],
  ])('ends it while %s', (_title, database, advanceMs, state) => {
    const world = createWorld();
    world.database = database;
    world.start();
    world.advance(advanceMs);
    expect(world.state()).toBe(state);
    world.actor.send({ type: 'STOP' });
    world.advance(2000);
    expect(world.isStopped()).toBe(true);
    expect(world.state()).toBe('stopped');
    expect(world.openSessions()).toBe(0);
  });

  test('nothing is told after it', () => {
    const world = createWorld();
    world.start();
    world.database = 'frozen';
    const before = world.told.length;
    world.actor.send({ type: 'STOP' });
    world.notify();
    world.killSessions();
    world.advance(100_000);
    expect(world.told.length).toBe(before);
  });
});

describe('any order of events', () => {
  const happening = fc.oneof(
    fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 40_000 }) }),
    fc.record({
      kind: fc.constant('database' as const),
      state: fc.constantFrom<Database>('up', 'down', 'frozen', 'deaf'),
    }),
    fc.record({ kind: fc.constantFrom('notify' as const, 'kill' as const) }),
  );
  type Happening = typeof happening extends fc.Arbitrary<infer One> ? One : never;

  function apply(world: ReturnType<typeof createWorld>, event: Happening): void {
    switch (event.kind) {
      case 'advance':
        return world.advance(event.ms);
      case 'database':
        world.database = event.state;
        return undefined;
      case 'notify':
        return world.notify();
      case 'kill':
        return world.killSessions();
      default:
        return event satisfies never;
    }
  }

  const happenings = fc.array(happening, { maxLength: 25 });
  const randoms = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

  test('is never deaf for long once the database works', () => {
    fc.assert(
      fc.property(happenings, randoms, (events, random) => {
        const world = createWorld({ random: () => random });
        world.start();
        for (const event of events) apply(world, event);
        world.database = 'up';
        world.advance(RECOVERY_MS);
        expect(world.isLive()).toBe(true);
        expect(world.openSessions()).toBe(1);
        const before = world.told.length;
        world.notify();
        expect(world.told.slice(before)).toEqual([expect.stringMatching(/^CHANGED/)]);
      }),
      { numRuns: 1_000 },
    );
  });

  test('hints only after LISTEN, and once at least after each', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(happenings, (events) => {
        const world = createWorld();
        world.start();
        for (const event of events) apply(world, event);
        const story = world.told.map((text) => text.split(' ')[0] ?? '').join(' ');
        expect(`${story} `).toMatch(/^(LOST |LISTEN (CHANGED )+(LIVE (CHANGED )*)?(LOST |$))*$/);
      }),
      { numRuns: 1_000 },
    );
  });

  test('STOP always ends it, with nothing left open', () => {
    fc.assert(
      fc.property(happenings, (events) => {
        const world = createWorld();
        world.start();
        for (const event of events) apply(world, event);
        world.actor.send({ type: 'STOP' });
        world.advance(2000);
        expect(world.isStopped()).toBe(true);
        expect(world.openSessions()).toBe(0);
      }),
      { numRuns: 1_000 },
    );
  });
});

test('a session actor that is not provided fails with its name', async () => {
  const actor = createActor(postgresSubscriptionMachine, { input: { now: () => 0, ...TIMING } });
  const outcome = toPromise(actor);
  actor.start();
  await expect(outcome).rejects.toMatchObject({
    code: 'ERR_NOT_PROVIDED',
    message: expect.stringContaining('"session"'),
  });
});

const passingBeat = (): Promise<void> => Promise.resolve();

/** A subscription whose sessions the test opens by hand. */
function createSubscription() {
  const closed: number[] = [];
  const attempts: {
    readonly handlers: SubscriptionHandlers;
    readonly signal: AbortSignal;
    readonly opened: PromiseWithResolvers<void>;
  }[] = [];
  let beat = passingBeat;
  const open: OpenSubscription = async (handlers, signal) => {
    const opened = Promise.withResolvers<void>();
    const number = attempts.push({ handlers, signal, opened });
    await opened.promise;
    return {
      beat: () => beat(),
      close() {
        closed.push(number);
        return Promise.resolve();
      },
    };
  };
  const actor = createActor(
    postgresSubscriptionMachine.provide({ actors: { session: sessionActor(open) } }),
    { input: { now: () => 0, ...TIMING, backoff: { baseMs: 0, maxMs: 0 } } },
  );
  return { actor, attempts, closed, setBeat: (next: () => Promise<void>) => (beat = next) };
}

describe('the session actor', () => {
  test('goes live, passes notifications on, and closes its session at STOP', async () => {
    const { actor, attempts, closed } = createSubscription();
    const told: string[] = [];
    actor.on('*', ({ type }) => told.push(type));
    actor.start();
    attempts[0]?.opened.resolve();
    await waitFor(actor, (snapshot) => snapshot.hasTag('live'));
    attempts[0]?.handlers.onNotified();
    actor.send({ type: 'STOP' });
    await toPromise(actor);
    expect(told).toEqual(['CHANGED', 'LIVE', 'CHANGED']);
    expect(new Set(closed)).toEqual(new Set([1]));
  });

  test('reports why an attempt failed, and makes another', async () => {
    const { actor, attempts } = createSubscription();
    const errors: string[] = [];
    actor.on('LOST', ({ error }) => errors.push(error.message));
    actor.start();
    attempts[0]?.opened.reject(new Error('refused'));
    await waitFor(actor, () => attempts.length === 2);
    expect(errors).toEqual(['refused']);
    actor.send({ type: 'STOP' });
    attempts[1]?.opened.reject(new Error('aborted'));
    await toPromise(actor);
  });

  test('closes the session whose heartbeat failed', async () => {
    const { actor, attempts, closed, setBeat } = createSubscription();
    setBeat(() => Promise.reject(new Error('no echo')));
    actor.start();
    attempts[0]?.opened.resolve();
    await waitFor(actor, () => attempts.length === 2);
    expect(closed).toEqual([1]);
    actor.stop();
  });

  test('calls off an attempt that is under way at STOP, and closes it if it succeeds all the same', async () => {
    const { actor, attempts, closed } = createSubscription();
    actor.start();
    actor.send({ type: 'STOP' });
    expect(attempts[0]?.signal.aborted).toBe(true);
    attempts[0]?.opened.resolve();
    await toPromise(actor);
    expect(new Set(closed)).toEqual(new Set([1]));
  });
});
