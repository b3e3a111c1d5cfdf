import * as fc from 'fast-check';
import { type BackendPhase, DOWN_POLICIES, type DownPolicy } from '../../src/machines/backend.ts';

/** What the life of a backend should be, in a few lines: no chart, no timers, only what is so at `nowMs`. */
export interface BackendModel {
  readonly nowMs: number;
  readonly drainTimeoutMs: number;
  readonly phase: BackendPhase;
  readonly removedAtMs: number;
  /** Since when its connections are to leave because it is down. */
  readonly evacuatingSinceMs: number | undefined;
  /** What it has told so far, each with its time. */
  readonly told: readonly string[];
}

export type BackendCommand =
  | { readonly type: 'remove' | 'restore' | 'idle' | 'up' }
  | { readonly type: 'down'; readonly policy: DownPolicy }
  | { readonly type: 'change'; readonly drainTimeoutMs: number }
  | { readonly type: 'pass'; readonly ms: number };

export function newBackend(drainTimeoutMs: number): BackendModel {
  return {
    nowMs: 0,
    drainTimeoutMs,
    phase: 'active',
    removedAtMs: 0,
    evacuatingSinceMs: undefined,
    told: [],
  };
}

/** Appends what was told; to cut twice in one moment is to cut once. */
export function withTold(told: readonly string[], nowMs: number, what: string): readonly string[] {
  const entry = `${what} at ${nowMs}`;
  return what === 'cut' && told.at(-1) === entry ? told : [...told, entry];
}

function tell(model: BackendModel, what: string): BackendModel {
  return { ...model, told: withTold(model.told, model.nowMs, what) };
}

const enter = (model: BackendModel, phase: BackendPhase): BackendModel => tell({ ...model, phase }, phase);
const cut = (model: BackendModel): BackendModel => tell({ ...model, evacuatingSinceMs: undefined }, 'cut');

function tick(before: BackendModel): BackendModel {
  const model = { ...before, nowMs: before.nowMs + 1 };
  const { nowMs, drainTimeoutMs, phase, removedAtMs, evacuatingSinceMs } = model;
  if (phase === 'draining' && nowMs - removedAtMs >= drainTimeoutMs) return enter(cut(model), 'removed');
  if (evacuatingSinceMs !== undefined && nowMs - evacuatingSinceMs >= drainTimeoutMs) return cut(model);
  return model;
}

function goDown(model: BackendModel, policy: DownPolicy): BackendModel {
  if (policy === 'cut') return cut(model);
  const evacuatingSinceMs = policy === 'keep' ? undefined : (model.evacuatingSinceMs ?? model.nowMs);
  return { ...model, evacuatingSinceMs };
}

export function stepBackend(model: BackendModel, command: BackendCommand): BackendModel {
  const { phase, nowMs } = model;
  if (phase === 'removed') return model;
  switch (command.type) {
    case 'remove':
      return phase === 'active' ? enter({ ...model, removedAtMs: nowMs }, 'draining') : model;
    case 'restore':
      return phase === 'draining' ? enter(model, 'active') : model;
    case 'idle':
      return phase === 'draining' ? enter(model, 'removed') : { ...model, evacuatingSinceMs: undefined };
    case 'up':
      return { ...model, evacuatingSinceMs: undefined };
    case 'down':
      return goDown(model, command.policy);
    case 'change':
      return { ...model, drainTimeoutMs: command.drainTimeoutMs };
    case 'pass': {
      let passed = model;
      for (let ms = 0; ms < command.ms && passed.phase !== 'removed'; ms++) passed = tick(passed);
      return passed;
    }
    default:
      return command satisfies never;
  }
}

/** Small numbers, so that every timeout is met often, and exactly. */
export const drainTimeout: fc.Arbitrary<number> = fc.integer({ min: 0, max: 12 });

export const backendCommand: fc.Arbitrary<BackendCommand> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constantFrom('remove' as const, 'restore' as const, 'up' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('idle' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('down' as const), policy: fc.constantFrom(...DOWN_POLICIES) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('change' as const), drainTimeoutMs: drainTimeout }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 13 }) }),
  },
);
