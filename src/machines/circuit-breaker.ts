import { assign, emit, setup, type SnapshotFrom } from 'xstate';
import type { CircuitGate } from '../domain/eligibility.ts';
import type { MonotonicClock } from '../domain/ports.ts';

export interface CircuitBreakerSettings {
  /** Consecutive failures that open the circuit. */
  readonly failureThreshold: number;
  /** Successful trials that close it again; also how many trials may be in flight at one time. */
  readonly successThreshold: number;
  /** How long the circuit stays open before it is tried again. */
  readonly openMs: number;
  /** How long half-open waits for an outcome before it takes the permits of silent trials back. */
  readonly leaseMs: number;
}

export interface CircuitBreakerInput {
  readonly settings: CircuitBreakerSettings;
  /** The clock of the actor system, to keep elapsed time when a duration changes. */
  readonly now: MonotonicClock;
  /** 1 unless said otherwise; a higher one where outcomes of an earlier breaker may still be under way. */
  readonly firstEpoch?: number | undefined;
}

export type CircuitBreakerEvent =
  /** What a connection said about the backend; `epoch` is the one of the gate that let it in. */
  | { readonly type: 'CONNECTION_SUCCEEDED'; readonly epoch: number }
  | { readonly type: 'CONNECTION_FAILED'; readonly epoch: number }
  /** Counts and the time already spent stay, and are held against the new settings at once. */
  | { readonly type: 'SETTINGS_CHANGED'; readonly settings: CircuitBreakerSettings }
  /** An operator closes the circuit by hand. */
  | { readonly type: 'RESET' };

export type CircuitState = 'closed' | 'open' | 'halfOpen';

/** Why a state was entered: the label of the counter of transitions. */
export const TRANSITION_CAUSES = [
  'failure_threshold',
  'open_timeout',
  'success_threshold',
  'trial_failed',
  'reset',
] as const;

export type TransitionCause = (typeof TRANSITION_CAUSES)[number];

export type CircuitBreakerEmitted =
  | {
      readonly type: 'TRANSITIONED';
      readonly to: CircuitState;
      readonly cause: TransitionCause;
      readonly epoch: number;
    }
  /** Half-open heard nothing for the lease: the permits of silent trials are given out anew. */
  | { readonly type: 'PERMITS_RENEWED'; readonly grant: number };

interface CircuitBreakerContext {
  readonly settings: CircuitBreakerSettings;
  readonly now: MonotonicClock;
  /** Number of the state entry; an outcome of another one is dropped. */
  readonly epoch: number;
  /** Number of the issue of permits: permits of an older one are void. */
  readonly grant: number;
  /** In a row, while closed. */
  readonly failures: number;
  /** Of trials, while half-open. */
  readonly successes: number;
  /** When the running timer began, on `now`. */
  readonly timerSinceMs: number;
}

type Epoch = { readonly epoch: number };
type Entry = { readonly to: CircuitState; readonly cause: TransitionCause };
type Change = { readonly settings: CircuitBreakerSettings };

function timeLeft({ timerSinceMs, now }: CircuitBreakerContext, durationMs: number): number {
  return Math.max(0, timerSinceMs + durationMs - now());
}

const isCurrent = {
  type: 'isCurrentEpoch',
  params: ({ event }: { readonly event: Epoch }) => ({ epoch: event.epoch }),
} as const;

const changeSettings = {
  type: 'changeSettings',
  params: ({ event }: { readonly event: Change }) => ({ settings: event.settings }),
} as const;

const enter = (to: CircuitState, cause: TransitionCause) =>
  ['beginEpoch', { type: 'announce', params: { to, cause } }] as const;

/**
 * Leaves a failing backend alone for a while, then tries it with a few connections.
 *
 *     ┌────────┐  failureThreshold in a row   ┌──────┐  openMs   ┌──────────┐
 *     │ closed │ ───────────────────────────► │ open │ ────────► │ halfOpen │ ─┐ leaseMs without an outcome:
 *     └────────┘ ◄─────────────────────────── └──────┘ ◄──────── └──────────┘ ◄┘ permits renewed
 *          ▲            RESET (from any)             one failure      │
 *          └───────────────── successThreshold successes ─────────────┘
 *
 * Outcomes carry the epoch of the gate that let them in; those of another epoch are dropped, so a failure that was
 * under way when the circuit opened neither extends the timer nor fails a trial. An open circuit is always tried
 * again. The machine hands out no permits itself: whoever admits connections goes by `circuitGateOf` its snapshot,
 * and a new `grant` voids the permits of the one before.
 * Source: seed, Circuit Breaker; resilience4j#935 (leases), opossum#385 (timer), cockatiel (epochs).
 */
export const circuitBreakerMachine = setup({
  types: {
    input: {} as CircuitBreakerInput,
    context: {} as CircuitBreakerContext,
    events: {} as CircuitBreakerEvent,
    emitted: {} as CircuitBreakerEmitted,
  },
  guards: {
    isCurrentEpoch: ({ context }, { epoch }: Epoch) => epoch === context.epoch,
    hasFailedEnough: ({ context }) => context.failures >= context.settings.failureThreshold,
    hasSucceededEnough: ({ context }) => context.successes >= context.settings.successThreshold,
  },
  delays: {
    openLeft: ({ context }) => timeLeft(context, context.settings.openMs),
    leaseLeft: ({ context }) => timeLeft(context, context.settings.leaseMs),
  },
  actions: {
    changeSettings: assign((_, { settings }: Change) => ({ settings })),
    beginEpoch: assign(({ context }) => ({
      epoch: context.epoch + 1,
      grant: context.grant + 1,
      failures: 0,
      successes: 0,
      timerSinceMs: context.now(),
    })),
    announce: emit(
      ({ context }, entry: Entry) => ({ type: 'TRANSITIONED', ...entry, epoch: context.epoch }) as const,
    ),
    countFailure: assign({ failures: ({ context }) => context.failures + 1 }),
    forgetFailures: assign({ failures: 0 }),
    countSuccess: assign({ successes: ({ context }) => context.successes + 1 }),
    restartLease: assign({ timerSinceMs: ({ context }) => context.now() }),
    renewPermits: assign({ grant: ({ context }) => context.grant + 1 }),
    announceRenewal: emit(({ context }) => ({ type: 'PERMITS_RENEWED', grant: context.grant }) as const),
  },
}).createMachine({
  id: 'circuitBreaker',
  context: ({ input: { settings, now, firstEpoch = 1 } }) => ({
    settings,
    now,
    epoch: firstEpoch,
    grant: firstEpoch,
    failures: 0,
    successes: 0,
    timerSinceMs: now(),
  }),
  initial: 'closed',
  on: {
    RESET: { target: '.closed', actions: enter('closed', 'reset') },
    SETTINGS_CHANGED: { actions: changeSettings },
  },
  states: {
    closed: {
      always: { guard: 'hasFailedEnough', target: 'open', actions: enter('open', 'failure_threshold') },
      on: {
        CONNECTION_FAILED: { guard: isCurrent, actions: 'countFailure' },
        CONNECTION_SUCCEEDED: { guard: isCurrent, actions: 'forgetFailures' },
      },
    },
    open: {
      on: { SETTINGS_CHANGED: { target: 'open', reenter: true, actions: changeSettings } },
      after: { openLeft: { target: 'halfOpen', actions: enter('halfOpen', 'open_timeout') } },
    },
    halfOpen: {
      always: {
        guard: 'hasSucceededEnough',
        target: 'closed',
        actions: enter('closed', 'success_threshold'),
      },
      on: {
        CONNECTION_FAILED: { guard: isCurrent, target: 'open', actions: enter('open', 'trial_failed') },
        CONNECTION_SUCCEEDED: {
          guard: isCurrent,
          target: 'halfOpen',
          reenter: true,
          actions: ['countSuccess', 'restartLease'],
        },
        SETTINGS_CHANGED: { target: 'halfOpen', reenter: true, actions: changeSettings },
      },
      after: {
        leaseLeft: {
          target: 'halfOpen',
          reenter: true,
          actions: ['renewPermits', 'restartLease', 'announceRenewal'],
        },
      },
    },
  },
});

/** What a breaker admits at the moment: any number, none, or the trials of half-open. */
export function circuitGateOf({ value, context }: SnapshotFrom<typeof circuitBreakerMachine>): CircuitGate {
  const { epoch, grant, settings } = context;
  const permits = { closed: undefined, open: 0, halfOpen: settings.successThreshold }[value];
  return { epoch, grant, permits };
}
