import { assign, emit, fromCallback, sendTo, setup, type AnyEventObject } from 'xstate';
import { backoffDelayMs, type BackoffOptions } from '../domain/backoff.ts';
import type { MonotonicClock, Random } from '../domain/ports.ts';
import { EdgeProxyError } from '../errors.ts';
import type { SessionCommand, SessionReport } from './subscription-session.ts';

/** Time and randomness of the subscription, all durations in milliseconds. */
export interface PostgresSubscriptionInput {
  readonly now: MonotonicClock;
  readonly random: Random;
  readonly backoff: BackoffOptions;
  /** From the start of an attempt until LISTEN is in force. */
  readonly connectTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
}

/** What the subscription tells the world, as events for `actor.on(…)`. */
export type PostgresSubscriptionEmitted =
  /** A hint to read, `atMs` on the clock `now`: after every LISTEN, and on every notification. */
  | { readonly type: 'CHANGED'; readonly atMs: number }
  /** The first heartbeat of a session came back: notifications arrive. */
  | { readonly type: 'LIVE' }
  /** An attempt or a session failed, for the `failures`-th time in a row; the next one starts in `retryInMs`. */
  | { readonly type: 'LOST'; readonly error: Error; readonly failures: number; readonly retryInMs: number };

interface Context extends PostgresSubscriptionInput {
  readonly failures: number;
  readonly retryInMs: number;
}

/** The session bounds itself and knows better why it failed; the deadlines catch one that does not. */
const DEADLINE_SLACK_MS = 500;
const CLOSE_DEADLINE_MS = 2000;

/** No transition here, and none of the parent's either. */
const IGNORED = {};

const overdue = (what: string) => ({ error: new EdgeProxyError('ERR_POSTGRES', `${what} is overdue`) });

/**
 * The subscription to changes of the backends: never deaf without knowing it, and it never gives up.
 *
 *                 ┌─ session (one LISTEN session) ───────────────────────────┐
 *     start ─────►│ connecting ─LISTENING─► listening ─BEAT_PASSED─► live    │
 *        ▲        │                          !CHANGED                !LIVE   │
 *        │        │                                     interval ▼  ▲ passed │
 *        │        │                                          checking        │
 *        │        └───────┬───────────────────────────────────────┬──────────┘
 *        │ delay          │ lost, failed or overdue !LOST         │ STOP
 *        └── backingOff ◄─┘                                       ▼
 *                 └───────────────STOP──────────────► stopped ◄─ stopping
 *
 * `!` marks what is emitted; every notification of a session emits CHANGED too. LISTEN is in force before the
 * first CHANGED of a session, so a read on that hint misses nothing. The backoff is jittered and unbounded, and
 * starts over once a heartbeat came back: a server that accepts and then drops sessions is not hammered.
 * Tag `live`: notifications arrive, as far as the last heartbeat can tell.
 * Source: launchbadge/sqlx#447, timgit/pg-boss#850, PostgREST/postgrest#4670.
 */
export const postgresSubscriptionMachine = setup({
  /* oxlint-disable typescript/no-unsafe-type-assertion -- how XState takes types */
  types: {
    context: {} as Context,
    input: {} as PostgresSubscriptionInput,
    events: {} as SessionReport | { readonly type: 'STOP' },
    emitted: {} as PostgresSubscriptionEmitted,
    tags: {} as 'live',
  },
  /* oxlint-enable typescript/no-unsafe-type-assertion */
  actors: {
    session: fromCallback<AnyEventObject & SessionCommand>(() => {
      throw new EdgeProxyError(
        'ERR_NOT_PROVIDED',
        'the actor "session" of postgresSubscriptionMachine is not provided: give it by ' +
          '.provide({ actors: { session: sessionActor(openSubscription) } })',
      );
    }),
  },
  actions: {
    announceChange: emit(({ context }) => ({ type: 'CHANGED', atMs: context.now() }) as const),
    announceLive: emit({ type: 'LIVE' }),
    announceLoss: emit(
      ({ context }, { error }: { error: Error }) =>
        ({ type: 'LOST', error, failures: context.failures, retryInMs: context.retryInMs }) as const,
    ),
    countFailure: assign(({ context }) => ({
      failures: context.failures + 1,
      retryInMs: backoffDelayMs(context.failures + 1, context.backoff, context.random()),
    })),
    resetFailures: assign({ failures: 0 }),
    beat: sendTo('session', ({ context }) => ({ type: 'BEAT', timeoutMs: context.heartbeatTimeoutMs })),
    closeSession: sendTo('session', { type: 'CLOSE' }),
  },
  delays: {
    connectDeadline: ({ context }) => context.connectTimeoutMs + DEADLINE_SLACK_MS,
    heartbeatInterval: ({ context }) => context.heartbeatIntervalMs,
    heartbeatDeadline: ({ context }) => context.heartbeatTimeoutMs + DEADLINE_SLACK_MS,
    closeDeadline: CLOSE_DEADLINE_MS,
    backoff: ({ context }) => context.retryInMs,
  },
}).createMachine({
  id: 'postgresSubscription',
  context: ({ input }) => ({ ...input, failures: 0, retryInMs: 0 }),
  initial: 'session',
  states: {
    session: {
      invoke: { id: 'session', src: 'session' },
      initial: 'connecting',
      on: {
        STOP: '.stopping',
        NOTIFIED: { actions: 'announceChange' },
        SESSION_LOST: {
          target: 'backingOff',
          actions: [
            'countFailure',
            { type: 'announceLoss', params: ({ event }) => ({ error: event.error }) },
          ],
        },
        BEAT_FAILED: {
          target: 'backingOff',
          actions: [
            'countFailure',
            { type: 'announceLoss', params: ({ event }) => ({ error: event.error }) },
          ],
        },
      },
      states: {
        connecting: {
          on: { NOTIFIED: IGNORED, LISTENING: 'listening' },
          after: {
            connectDeadline: {
              target: '#postgresSubscription.backingOff',
              actions: [
                'countFailure',
                { type: 'announceLoss', params: () => overdue('the LISTEN session') },
              ],
            },
          },
        },
        listening: {
          entry: ['announceChange', 'beat'],
          on: { BEAT_PASSED: { target: 'live', actions: ['resetFailures', 'announceLive'] } },
          after: {
            heartbeatDeadline: {
              target: '#postgresSubscription.backingOff',
              actions: ['countFailure', { type: 'announceLoss', params: () => overdue('the heartbeat') }],
            },
          },
        },
        live: {
          tags: 'live',
          after: { heartbeatInterval: 'checking' },
        },
        checking: {
          tags: 'live',
          entry: 'beat',
          on: { BEAT_PASSED: 'live' },
          after: {
            heartbeatDeadline: {
              target: '#postgresSubscription.backingOff',
              actions: ['countFailure', { type: 'announceLoss', params: () => overdue('the heartbeat') }],
            },
          },
        },
        stopping: {
          entry: 'closeSession',
          on: {
            STOP: IGNORED,
            NOTIFIED: IGNORED,
            BEAT_FAILED: IGNORED,
            SESSION_LOST: '#postgresSubscription.stopped',
            SESSION_CLOSED: '#postgresSubscription.stopped',
          },
          after: { closeDeadline: '#postgresSubscription.stopped' },
        },
      },
    },
    backingOff: {
      on: { STOP: 'stopped' },
      after: { backoff: 'session' },
    },
    stopped: { type: 'final' },
  },
});
