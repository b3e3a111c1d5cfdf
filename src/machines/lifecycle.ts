import { assign, emit, setup, type SnapshotFrom } from 'xstate';
import type { MonotonicClock } from '../domain/ports.ts';
import { notProvided } from './not-provided.ts';

export interface LifecycleInput {
  /** Time that live connections get to end by themselves once a stop was asked for. */
  readonly shutdownTimeoutMs: number;
  /** The clock of the actor system, to keep elapsed time when the timeout changes. */
  readonly now: MonotonicClock;
}

export type LifecycleEvent =
  /** SIGTERM, SIGINT, or the owner: asked once it drains, asked again it forces. */
  | { readonly type: 'STOP_REQUESTED' }
  /** A drain that is under way keeps the time already spent. */
  | { readonly type: 'SETTINGS_CHANGED'; readonly shutdownTimeoutMs: number };

export type LifecycleEmitted =
  | { readonly type: 'RUNNING' }
  | { readonly type: 'DRAINING' }
  | { readonly type: 'FORCING'; readonly reason: 'timeout' | 'asked_again' }
  | { readonly type: 'ABANDONED' };

/** Input of the actor `close`. */
export interface CloseInput {
  /** End live connections in one go; otherwise spread over a moment, so that their clients do not all return at once. */
  readonly atOnce: boolean;
}

interface LifecycleContext extends LifecycleInput {
  /** When the drain began, on `now`. */
  readonly drainingSinceMs: number;
  readonly closeAtOnce: boolean;
  readonly isAbandoned: boolean;
  readonly error: unknown;
}

export interface LifecycleOutput {
  /** What ended the daemon against its will; `undefined` after an orderly stop. */
  readonly error: unknown;
  /** Something could not be released in time: the process must be ended, it may not end by itself. */
  readonly isAbandoned: boolean;
}

/** More than an orderly close ever takes. */
const CLOSE_TIMEOUT_MS = 15_000;

/** What a close that is asked to hurry gets: a terminal may send its signal twice. */
const HURRY_TIMEOUT_MS = 1_000;

type Change = { readonly shutdownTimeoutMs: number };

const changeTimeout = {
  type: 'changeTimeout',
  params: ({ event }: { readonly event: Change }) => ({ shutdownTimeoutMs: event.shutdownTimeoutMs }),
} as const;

/**
 * The life of the daemon, from the first bind to the last close.
 *
 *     starting ──done──► running ──STOP_REQUESTED──► draining ──done──────────────► closing ──► stopped
 *        │ │                                            │ after shutdownTimeout ───►   ▲  │ │
 *        │ │                                            └ STOP_REQUESTED (again) ──►   │  │ └ closeTimeout, or a second
 *        │ └──STOP_REQUESTED───────────────────────────────────────────────────────────┘  │   after STOP_REQUESTED
 *        │                                                                          error ▼             ► abandoned
 *        └──error──► cleaningUp ────────────────────────────────────────────────────────► failed
 *
 * Actors, all to be provided: `start` binds everything; `drain` stops accepting and resolves when the last
 * connection has ended; `close` ends what is left and releases everything, after a failed start too. A close that
 * does not come to an end is left behind: nobody shall need SIGKILL.
 */
export const lifecycleMachine = setup({
  types: {
    input: {} as LifecycleInput,
    context: {} as LifecycleContext,
    events: {} as LifecycleEvent,
    emitted: {} as LifecycleEmitted,
    output: {} as LifecycleOutput,
  },
  actors: {
    start: notProvided('start'),
    drain: notProvided('drain'),
    close: notProvided<void, CloseInput>('close'),
  },
  actions: {
    changeTimeout: assign((_, { shutdownTimeoutMs }: Change) => ({ shutdownTimeoutMs })),
    noteDrain: assign({ drainingSinceMs: ({ context }) => context.now() }),
  },
  delays: {
    shutdownLeft: ({ context: { drainingSinceMs, shutdownTimeoutMs, now } }) =>
      Math.max(0, drainingSinceMs + shutdownTimeoutMs - now()),
    closeTimeout: CLOSE_TIMEOUT_MS,
    hurryTimeout: HURRY_TIMEOUT_MS,
  },
}).createMachine({
  id: 'lifecycle',
  context: ({ input }) => ({
    ...input,
    drainingSinceMs: 0,
    closeAtOnce: false,
    isAbandoned: false,
    error: undefined,
  }),
  initial: 'starting',
  on: { SETTINGS_CHANGED: { actions: changeTimeout } },
  output: ({ context }) => ({ error: context.error, isAbandoned: context.isAbandoned }),
  states: {
    starting: {
      invoke: {
        src: 'start',
        onDone: 'running',
        onError: { target: 'cleaningUp', actions: assign({ error: ({ event }) => event.error }) },
      },
      on: { STOP_REQUESTED: 'closing' },
    },
    running: {
      entry: emit({ type: 'RUNNING' }),
      on: { STOP_REQUESTED: 'draining' },
    },
    draining: {
      entry: ['noteDrain', emit({ type: 'DRAINING' })],
      invoke: {
        src: 'drain',
        onDone: 'closing',
        onError: { target: 'cleaningUp', actions: assign({ error: ({ event }) => event.error }) },
      },
      on: {
        STOP_REQUESTED: {
          target: 'closing',
          actions: [assign({ closeAtOnce: true }), emit({ type: 'FORCING', reason: 'asked_again' })],
        },
      },
      initial: 'patient',
      states: {
        patient: {
          on: { SETTINGS_CHANGED: { target: 'patient', reenter: true, actions: changeTimeout } },
          after: {
            shutdownLeft: {
              target: '#lifecycle.closing',
              actions: emit({ type: 'FORCING', reason: 'timeout' }),
            },
          },
        },
      },
    },
    closing: {
      invoke: {
        src: 'close',
        input: ({ context }) => ({ atOnce: context.closeAtOnce }),
        onDone: 'stopped',
        onError: { target: 'failed', actions: assign({ error: ({ event }) => event.error }) },
      },
      after: { closeTimeout: 'abandoned' },
      initial: 'orderly',
      states: {
        orderly: { on: { STOP_REQUESTED: 'hurried' } },
        hurried: { after: { hurryTimeout: '#lifecycle.abandoned' } },
      },
    },
    cleaningUp: {
      invoke: { src: 'close', input: { atOnce: true }, onDone: 'failed', onError: 'failed' },
      after: { closeTimeout: 'failed' },
      on: { STOP_REQUESTED: 'failed' },
    },
    stopped: { type: 'final' },
    abandoned: { type: 'final', entry: [assign({ isAbandoned: true }), emit({ type: 'ABANDONED' })] },
    failed: { type: 'final' },
  },
});

export type LifecycleState =
  | 'starting'
  | 'running'
  | 'draining'
  | 'closing'
  | 'cleaningUp'
  | 'stopped'
  | 'abandoned'
  | 'failed';

/** The state as one word, whatever it is at within. */
export function lifecycleStateOf({ value }: SnapshotFrom<typeof lifecycleMachine>): LifecycleState {
  if (typeof value === 'string') return value;
  return 'draining' in value ? 'draining' : 'closing';
}
