import * as fc from 'fast-check';

export type LifePhase =
  | 'starting'
  | 'running'
  | 'draining'
  | 'closing'
  | 'hurried'
  | 'cleaningUp'
  | 'stopped'
  | 'failed'
  | 'abandoned';

/** What the life of the daemon should be, in a few lines: no chart, no timers, only what is so at `nowMs`. */
export interface LifeModel {
  readonly nowMs: number;
  readonly shutdownTimeoutMs: number;
  readonly phase: LifePhase;
  /** When it came to its phase, and when its close began. */
  readonly sinceMs: number;
  readonly closeSinceMs: number;
  /** What went wrong first. */
  readonly error: string | undefined;
  /** What it has told so far. */
  readonly told: readonly string[];
  /** What it has had done so far. */
  readonly begun: readonly string[];
}

export type LifeCommand =
  | { readonly type: 'stop' }
  /** The work under way, if any, ends so. */
  | { readonly type: 'end'; readonly error: string | undefined }
  | { readonly type: 'change'; readonly shutdownTimeoutMs: number }
  | { readonly type: 'pass'; readonly ms: number };

const CLOSE_MS = 15_000;
const HURRY_MS = 1_000;
/** All durations are multiples of it. */
export const LIFE_TICK_MS = 250;

export function newLife(shutdownTimeoutMs: number): LifeModel {
  return {
    nowMs: 0,
    shutdownTimeoutMs,
    phase: 'starting',
    sinceMs: 0,
    closeSinceMs: 0,
    error: undefined,
    told: [],
    begun: ['start'],
  };
}

export const isOver = ({ phase }: LifeModel): boolean =>
  phase === 'stopped' || phase === 'failed' || phase === 'abandoned';

const enter = (model: LifeModel, phase: LifePhase): LifeModel => ({ ...model, phase, sinceMs: model.nowMs });
const tell = (model: LifeModel, what: string): LifeModel => ({ ...model, told: [...model.told, what] });
const begin = (model: LifeModel, what: string): LifeModel => ({ ...model, begun: [...model.begun, what] });
const abandon = (model: LifeModel): LifeModel => tell(enter(model, 'abandoned'), 'ABANDONED');

function close(model: LifeModel, phase: 'closing' | 'cleaningUp', isAtOnce: boolean): LifeModel {
  const closing = enter({ ...model, closeSinceMs: model.nowMs }, phase);
  return begin(closing, isAtOnce ? 'close at once' : 'close');
}

function askToStop(model: LifeModel): LifeModel {
  if (model.phase === 'starting') return close(model, 'closing', false);
  if (model.phase === 'running') return begin(tell(enter(model, 'draining'), 'DRAINING'), 'drain');
  if (model.phase === 'draining') return close(tell(model, 'FORCING asked_again'), 'closing', true);
  if (model.phase === 'closing') return enter(model, 'hurried');
  return model.phase === 'cleaningUp' ? enter(model, 'failed') : model;
}

function endWork(model: LifeModel): LifeModel {
  if (model.phase === 'starting') return tell(enter(model, 'running'), 'RUNNING');
  if (model.phase === 'draining') return close(model, 'closing', false);
  if (model.phase === 'cleaningUp') return enter(model, 'failed');
  return model.phase === 'running' ? model : enter(model, 'stopped');
}

function failWork(model: LifeModel, error: string): LifeModel {
  const { phase } = model;
  if (phase === 'running') return model;
  if (phase === 'cleaningUp') return enter(model, 'failed');
  const failed = { ...model, error };
  return phase === 'starting' || phase === 'draining'
    ? close(failed, 'cleaningUp', true)
    : enter(failed, 'failed');
}

function tick(before: LifeModel): LifeModel {
  const model = { ...before, nowMs: before.nowMs + LIFE_TICK_MS };
  const { nowMs, phase, sinceMs, closeSinceMs, shutdownTimeoutMs } = model;
  if (phase === 'draining' && nowMs - sinceMs >= shutdownTimeoutMs) {
    return close(tell(model, 'FORCING timeout'), 'closing', false);
  }
  if (phase === 'hurried' && nowMs - sinceMs >= HURRY_MS) return abandon(model);
  if ((phase === 'closing' || phase === 'hurried') && nowMs - closeSinceMs >= CLOSE_MS) return abandon(model);
  return phase === 'cleaningUp' && nowMs - closeSinceMs >= CLOSE_MS ? enter(model, 'failed') : model;
}

export function stepLife(model: LifeModel, command: LifeCommand): LifeModel {
  if (isOver(model)) return model;
  switch (command.type) {
    case 'stop':
      return askToStop(model);
    case 'end':
      return command.error === undefined ? endWork(model) : failWork(model, command.error);
    case 'change':
      return { ...model, shutdownTimeoutMs: command.shutdownTimeoutMs };
    case 'pass': {
      let passed = model;
      for (let ms = 0; ms < command.ms && !isOver(passed); ms += LIFE_TICK_MS) passed = tick(passed);
      return passed;
    }
    default:
      return command satisfies never;
  }
}

/** Few and small numbers, so that every timeout is met often, and exactly. */
export const shutdownTimeout: fc.Arbitrary<number> = fc.constantFrom(250, 500, 1_000, 3_000);

export const lifeCommand: fc.Arbitrary<LifeCommand> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('change' as const), shutdownTimeoutMs: shutdownTimeout }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('stop' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('end' as const),
      error: fc.constantFrom(undefined, undefined, 'port in use', 'stuck'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('pass' as const),
      ms: fc.constantFrom(250, 500, 750, 2_000, 14_000, 15_000),
    }),
  },
);
