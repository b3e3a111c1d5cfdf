import { assign, emit, setup, type SnapshotFrom } from 'xstate';
import type { MonotonicClock } from '../domain/ports.ts';

/** What becomes of live connections when checks find their backend down. */
export const DOWN_POLICIES = ['keep', 'drain', 'cut'] as const;

export type DownPolicy = (typeof DOWN_POLICIES)[number];

export interface BackendInput {
  /** How long live connections may go on once they are to end; 0 ends them at once. */
  readonly drainTimeoutMs: number;
  /** The clock of the actor system, to keep elapsed time when the timeout changes. */
  readonly now: MonotonicClock;
}

export type BackendEvent =
  /** Its row is deleted, or its id has moved to another address. */
  | { readonly type: 'REMOVED' }
  /** Its row is back at the same address. */
  | { readonly type: 'RESTORED' }
  /** It has no live connection, or none any more. */
  | { readonly type: 'IDLE' }
  /** Checks find it down; said again, the policy is applied again to the connections there are by then. */
  | { readonly type: 'WENT_DOWN'; readonly policy: DownPolicy }
  | { readonly type: 'CAME_UP' }
  /** Timers that run keep the time already spent. */
  | { readonly type: 'SETTINGS_CHANGED'; readonly drainTimeoutMs: number };

export type BackendEmitted =
  | { readonly type: 'PHASE_CHANGED'; readonly phase: BackendPhase }
  /** What is left of its connections is to be ended now. */
  | { readonly type: 'CUT' };

/** `active` may take clients as far as this machine is concerned; the others may not. */
export type BackendPhase = 'active' | 'draining' | 'removed';

interface BackendContext extends BackendInput {
  /** When its row went, on `now`. */
  readonly removedAtMs: number;
  /** When checks found it down, on `now`. */
  readonly downAtMs: number;
}

type Phase = { readonly phase: BackendPhase };
type Policy = { readonly policy: DownPolicy };
type Change = { readonly drainTimeoutMs: number };

function timeLeft(sinceMs: number, { drainTimeoutMs, now }: BackendContext): number {
  return Math.max(0, sinceMs + drainTimeoutMs - now());
}

const ofEvent = ({ event }: { readonly event: Policy }) => ({ policy: event.policy });

const changeTimeout = {
  type: 'changeTimeout',
  params: ({ event }: { readonly event: Change }) => ({ drainTimeoutMs: event.drainTimeoutMs }),
} as const;

const announce = (phase: BackendPhase) => ({ type: 'announcePhase', params: { phase } }) as const;

/**
 * The life of one incarnation of a backend, an id at an address.
 *
 *     row      active ──REMOVED──► draining ──IDLE, or drainTimeout: CUT──► removed (the end)
 *                 ◄────RESTORED────
 *
 *     checks   steady ──WENT_DOWN (drain)──► evacuating ──IDLE, or drainTimeout: CUT──► evacuated
 *                 ├─────WENT_DOWN (cut): CUT──────────────────────────────────────────────► ▲
 *                 ◄─────CAME_UP────────────────────────────────────────────────────────────
 *
 * The two are independent: down by checks is no removal, and only live connections follow the policy; a removed
 * backend that is down has its connections end by whichever comes first. The policy `keep` ends nothing, and what an
 * earlier policy has begun is given up when it is said again with this one.
 * Source: semantics of HAProxy `on-marked-down`; envoy#27863.
 */
export const backendMachine = setup({
  types: {
    input: {} as BackendInput,
    context: {} as BackendContext,
    events: {} as BackendEvent,
    emitted: {} as BackendEmitted,
  },
  guards: {
    isToDrain: (_, { policy }: Policy) => policy === 'drain',
    isToCut: (_, { policy }: Policy) => policy === 'cut',
  },
  delays: {
    drainLeft: ({ context }) => timeLeft(context.removedAtMs, context),
    evacuationLeft: ({ context }) => timeLeft(context.downAtMs, context),
  },
  actions: {
    changeTimeout: assign((_, { drainTimeoutMs }: Change) => ({ drainTimeoutMs })),
    noteRemoval: assign({ removedAtMs: ({ context }) => context.now() }),
    noteDown: assign({ downAtMs: ({ context }) => context.now() }),
    cut: emit({ type: 'CUT' }),
    announcePhase: emit((_, { phase }: Phase) => ({ type: 'PHASE_CHANGED', phase }) as const),
  },
}).createMachine({
  id: 'backend',
  context: ({ input }) => ({ ...input, removedAtMs: 0, downAtMs: 0 }),
  initial: 'present',
  on: { SETTINGS_CHANGED: { actions: changeTimeout } },
  states: {
    present: {
      type: 'parallel',
      states: {
        row: {
          initial: 'active',
          states: {
            active: {
              on: { REMOVED: { target: 'draining', actions: ['noteRemoval', announce('draining')] } },
            },
            draining: {
              on: {
                RESTORED: { target: 'active', actions: announce('active') },
                IDLE: '#backend.removed',
                SETTINGS_CHANGED: { target: 'draining', reenter: true, actions: changeTimeout },
              },
              after: { drainLeft: { target: '#backend.removed', actions: 'cut' } },
            },
          },
        },
        checks: {
          initial: 'steady',
          on: {
            WENT_DOWN: [
              { guard: { type: 'isToDrain', params: ofEvent }, target: '.evacuating', actions: 'noteDown' },
              { guard: { type: 'isToCut', params: ofEvent }, target: '.evacuated', actions: 'cut' },
              { target: '.steady' },
            ],
          },
          states: {
            steady: {},
            evacuating: {
              on: {
                CAME_UP: 'steady',
                IDLE: 'evacuated',
                SETTINGS_CHANGED: { target: 'evacuating', reenter: true, actions: changeTimeout },
                // Under way already: its time goes on.
                WENT_DOWN: { guard: { type: 'isToDrain', params: ofEvent } },
              },
              after: { evacuationLeft: { target: 'evacuated', actions: 'cut' } },
            },
            evacuated: { on: { CAME_UP: 'steady' } },
          },
        },
      },
    },
    removed: { type: 'final', entry: announce('removed') },
  },
});

export function phaseOf({ value }: SnapshotFrom<typeof backendMachine>): BackendPhase {
  return value === 'removed' ? value : value.present.row;
}
