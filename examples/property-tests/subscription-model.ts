import * as fc from 'fast-check';

export type SubscriptionPhase =
  | 'connecting'
  | 'listening'
  | 'live'
  | 'checking'
  | 'stopping'
  | 'backingOff'
  | 'stopped';

/** What is set for a run; all durations are multiples of `SUBSCRIPTION_TICK_MS`. */
export interface SubscriptionTiming {
  /** What the random numbers of this run all are. */
  readonly random: number;
  readonly backoff: { readonly baseMs: number; readonly maxMs: number };
  readonly connectTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
}

/** What the subscription should be, in a few lines: no chart, no timers, only what is so at `nowMs`. */
export interface SubscriptionModel {
  readonly nowMs: number;
  readonly timing: SubscriptionTiming;
  readonly phase: SubscriptionPhase;
  readonly sinceMs: number;
  /** In a row. */
  readonly failures: number;
  readonly retryInMs: number;
  /** What it has told so far. */
  readonly told: readonly string[];
  /** What it has asked of its sessions so far. */
  readonly asked: readonly string[];
}

export type Report = 'listens' | 'is notified' | 'passes' | 'fails' | 'is lost' | 'is closed';

export type SubscriptionCommand =
  /** The session under way, if any, says so: that it listens, or what became of a heartbeat or of itself. */
  | { readonly type: 'report'; readonly what: Report }
  | { readonly type: 'stop' }
  | { readonly type: 'pass'; readonly ms: number };

/** The deadlines of a subscription are later than the timeouts by it. */
const SLACK_MS = 500;
export const CLOSE_MS = 2_000;
export const SUBSCRIPTION_TICK_MS = 100;

export function newSubscription(timing: SubscriptionTiming): SubscriptionModel {
  const start = { nowMs: 0, timing, sinceMs: 0, failures: 0, retryInMs: 0 };
  return { ...start, phase: 'connecting', told: [], asked: ['OPEN'] };
}

/** Whether there is a session that could report something. */
export const hasSession = ({ phase }: SubscriptionModel): boolean =>
  phase !== 'backingOff' && phase !== 'stopped';

const enter = (model: SubscriptionModel, phase: SubscriptionPhase): SubscriptionModel => ({
  ...model,
  phase,
  sinceMs: model.nowMs,
});
const tell = (model: SubscriptionModel, what: string): SubscriptionModel => ({
  ...model,
  told: [...model.told, `${what} at ${model.nowMs}`],
});
const ask = (model: SubscriptionModel, what: string): SubscriptionModel => ({
  ...model,
  asked: [...model.asked, what],
});

function lose(model: SubscriptionModel): SubscriptionModel {
  const { timing, failures } = model;
  const ceilingMs = Math.min(timing.backoff.maxMs, timing.backoff.baseMs * 2 ** failures);
  const retryInMs = ceilingMs * (0.5 + timing.random / 2);
  const lost = enter({ ...model, failures: failures + 1, retryInMs }, 'backingOff');
  return tell(lost, `LOST ${failures + 1} ${retryInMs}`);
}

function report(model: SubscriptionModel, what: Report): SubscriptionModel {
  const { phase } = model;
  if (!hasSession(model)) return model;
  if (phase === 'stopping') {
    return what === 'is lost' || what === 'is closed' ? enter(model, 'stopped') : model;
  }
  if (what === 'is lost' || what === 'fails') return lose(model);
  if (what === 'is notified') return phase === 'connecting' ? model : tell(model, 'CHANGED');
  if (what === 'listens' && phase === 'connecting') {
    return ask(tell(enter(model, 'listening'), 'CHANGED'), 'BEAT');
  }
  if (what !== 'passes') return model;
  if (phase === 'listening') return tell(enter({ ...model, failures: 0 }, 'live'), 'LIVE');
  return phase === 'checking' ? enter(model, 'live') : model;
}

function tick(before: SubscriptionModel): SubscriptionModel {
  const model = { ...before, nowMs: before.nowMs + SUBSCRIPTION_TICK_MS };
  const { phase, timing, retryInMs } = model;
  const passedMs = model.nowMs - model.sinceMs;
  switch (phase) {
    case 'connecting':
      return passedMs >= timing.connectTimeoutMs + SLACK_MS ? lose(model) : model;
    case 'listening':
    case 'checking':
      return passedMs >= timing.heartbeatTimeoutMs + SLACK_MS ? lose(model) : model;
    case 'live':
      return passedMs >= timing.heartbeatIntervalMs ? ask(enter(model, 'checking'), 'BEAT') : model;
    case 'backingOff':
      return passedMs >= retryInMs ? ask(enter(model, 'connecting'), 'OPEN') : model;
    case 'stopping':
      return passedMs >= CLOSE_MS ? enter(model, 'stopped') : model;
    case 'stopped':
      return model;
    default:
      return phase satisfies never;
  }
}

export function stepSubscription(model: SubscriptionModel, command: SubscriptionCommand): SubscriptionModel {
  switch (command.type) {
    case 'report':
      return report(model, command.what);
    case 'stop':
      if (model.phase === 'backingOff') return enter(model, 'stopped');
      return hasSession(model) && model.phase !== 'stopping' ? ask(enter(model, 'stopping'), 'CLOSE') : model;
    case 'pass': {
      let passed = model;
      for (let ms = 0; ms < command.ms; ms += SUBSCRIPTION_TICK_MS) passed = tick(passed);
      return passed;
    }
    default:
      return command satisfies never;
  }
}

/** Few and small numbers, so that every deadline is met often, and exactly. */
export const subscriptionTiming: fc.Arbitrary<SubscriptionTiming> = fc.record({
  random: fc.constantFrom(0, 0.5),
  backoff: fc.record({ baseMs: fc.constantFrom(400, 800), maxMs: fc.constantFrom(800, 1_600) }),
  connectTimeoutMs: fc.constantFrom(100, 300),
  heartbeatIntervalMs: fc.constantFrom(200, 500),
  heartbeatTimeoutMs: fc.constantFrom(100, 300),
});

/** Of a session that works more often than not: otherwise few stories get far. */
export const subscriptionCommand: fc.Arbitrary<SubscriptionCommand> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant('report' as const),
      what: fc.constantFrom<Report>('listens', 'passes'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('report' as const),
      what: fc.constantFrom<Report>('is notified', 'fails', 'is lost', 'is closed'),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      type: fc.constant('pass' as const),
      ms: fc.constantFrom(100, 200, 300, 500, 600, 800, 1_900),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('stop' as const) }) },
);
