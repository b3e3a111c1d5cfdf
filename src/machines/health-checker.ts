import { assign, emit, setup, type SnapshotFrom } from 'xstate';
import type { HealthCheckSettings, HealthStatus, HealthVerdict, ProbeResult } from '../domain/health.ts';
import type { MonotonicClock, Random } from '../domain/ports.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';
import { notProvided } from './not-provided.ts';

export interface HealthCheckerInput {
  readonly host: string;
  readonly port: number;
  readonly settings: HealthCheckSettings;
  /** The clock of the actor system. */
  readonly now: MonotonicClock;
  readonly random: Random;
}

/** Input of the actor `probe`. */
export type ProbeInput = Pick<HealthCheckerInput, 'host' | 'port' | 'settings'>;

export type HealthCheckerEvent =
  /**
   * The counts so far are held against the new thresholds at once; the new interval counts from the last beat, also
   * when that means a probe at once; a probe under way ends as it began.
   */
  { readonly type: 'SETTINGS_CHANGED'; readonly settings: HealthCheckSettings };

export type HealthCheckerEmitted =
  | { readonly type: 'PROBED'; readonly result: ProbeResult }
  /** The probe could not be made, for want of something of the daemon's own: it says nothing about the backend. */
  | { readonly type: 'PROBE_NOT_MADE'; readonly error: string }
  | {
      readonly type: 'VERDICT_CHANGED';
      readonly verdict: HealthVerdict;
      readonly lastError: string | undefined;
    };

interface HealthCheckerContext extends HealthCheckerInput, Omit<HealthStatus, 'verdict'> {
  /** When the last probe was due, without its jitter; the first one is due at the start. */
  readonly beatMs: number;
  /** When the next one goes out, once that is known. */
  readonly dueMs: number;
}

type Result = { readonly result: ProbeResult };
type Change = { readonly settings: HealthCheckSettings };

/** Share of the interval by which a probe may be late on purpose, so that probes of many backends spread. */
const JITTER = 0.1;

/** At most this much of it before the first probe, which goes out at once. */
const MAX_FIRST_JITTER_MS = 1_000;

/** When the next probe goes out: a beat after the last one, or now when that has passed, and a jitter later. */
function nextDue({ beatMs, settings: { intervalMs }, now, random }: HealthCheckerContext): number {
  return Math.max(beatMs + intervalMs, now()) + random() * JITTER * intervalMs;
}

/** The same after a change; what is late already does not become later, however often settings change. */
function nextDueAfterChange(context: HealthCheckerContext): number {
  const isLate = context.beatMs + context.settings.intervalMs <= context.now();
  return isLate ? Math.min(context.dueMs, nextDue(context)) : nextDue(context);
}

/** The last beat that has passed. */
function lastBeat({ beatMs, settings: { intervalMs }, now }: HealthCheckerContext): number {
  return beatMs + Math.max(0, Math.floor((now() - beatMs) / intervalMs)) * intervalMs;
}

const changeSettings = {
  type: 'changeSettings',
  params: ({ event }: { readonly event: Change }) => ({ settings: event.settings }),
} as const;

const ofProbe = ({ event }: { readonly event: { readonly output: ProbeResult } }) => ({
  result: event.output,
});

/**
 * Probes one backend again and again, and judges it.
 *
 *     verdict   unknown ──rise──► healthy ──fall──► unhealthy ──rise──► healthy       (thresholds in a row)
 *                  └───────────────fall────────────────▲
 *     activity  beginning ──jitter──► probing ──result──► waiting ──due──► probing    (one probe at a time)
 *
 * The beat is fixed: a probe is due a whole number of intervals after the first one, plus a jitter that does not add
 * up, and a probe that takes longer than the interval skips beats instead of piling up. The actor `probe` is to be
 * provided; it bounds itself by `timeoutMs`. It resolves also for a backend that fails the check; its rejection is
 * the daemon's own trouble, and counts for nothing.
 * Source: seed, Active Health Checks; HAProxy `rise`, `fall`; envoy#4132 (jitter).
 */
export const healthCheckerMachine = setup({
  types: {
    input: {} as HealthCheckerInput,
    context: {} as HealthCheckerContext,
    events: {} as HealthCheckerEvent,
    emitted: {} as HealthCheckerEmitted,
  },
  actors: { probe: notProvided<ProbeResult, ProbeInput>('probe') },
  guards: {
    hasRisen: ({ context }) => context.consecutiveSuccesses >= context.settings.healthyThreshold,
    hasFallen: ({ context }) => context.consecutiveFailures >= context.settings.unhealthyThreshold,
    isProvided: (_, { error }: { readonly error: unknown }) =>
      !(error instanceof EdgeProxyError && error.code === 'ERR_NOT_PROVIDED'),
  },
  delays: {
    firstJitter: ({ context: { settings, random } }) =>
      random() * Math.min(MAX_FIRST_JITTER_MS, JITTER * settings.intervalMs),
    untilDue: ({ context: { dueMs, now } }) => Math.max(0, dueMs - now()),
  },
  actions: {
    changeSettings: assign((_, { settings }: Change) => ({ settings })),
    takeBeat: assign({ beatMs: ({ context }) => context.beatMs + context.settings.intervalMs }),
    skipMissedBeats: assign({ beatMs: ({ context }) => lastBeat(context) }),
    setDue: assign({ dueMs: ({ context }) => nextDue(context) }),
    setDueAnew: assign({ dueMs: ({ context }) => nextDueAfterChange(context) }),
    record: assign(({ context }, { result }: Result) => ({
      lastLatencyMs: result.latencyMs,
      lastError: result.ok ? undefined : result.error,
      consecutiveSuccesses: result.ok ? context.consecutiveSuccesses + 1 : 0,
      consecutiveFailures: result.ok ? 0 : context.consecutiveFailures + 1,
    })),
    announceResult: emit((_, { result }: Result) => ({ type: 'PROBED', result }) as const),
    announceOwnTrouble: emit(
      (_, { error }: { readonly error: unknown }) =>
        ({ type: 'PROBE_NOT_MADE', error: messageOf(error) }) as const,
    ),
    noteTime: assign({ sinceMs: ({ context }) => context.now() }),
    announceVerdict: emit(
      ({ context }, { verdict }: { readonly verdict: HealthVerdict }) =>
        ({ type: 'VERDICT_CHANGED', verdict, lastError: context.lastError }) as const,
    ),
  },
}).createMachine({
  id: 'healthChecker',
  type: 'parallel',
  context: ({ input }) => ({
    ...input,
    beatMs: input.now(),
    dueMs: input.now(),
    sinceMs: input.now(),
    lastLatencyMs: undefined,
    lastError: undefined,
    consecutiveSuccesses: 0,
    consecutiveFailures: 0,
  }),
  on: { SETTINGS_CHANGED: { actions: changeSettings } },
  states: {
    verdict: {
      initial: 'unknown',
      states: {
        unknown: {
          always: [
            { guard: 'hasRisen', target: 'healthy' },
            { guard: 'hasFallen', target: 'unhealthy' },
          ],
        },
        healthy: {
          entry: ['noteTime', { type: 'announceVerdict', params: { verdict: 'healthy' } }],
          always: { guard: 'hasFallen', target: 'unhealthy' },
        },
        unhealthy: {
          entry: ['noteTime', { type: 'announceVerdict', params: { verdict: 'unhealthy' } }],
          always: { guard: 'hasRisen', target: 'healthy' },
        },
      },
    },
    activity: {
      initial: 'beginning',
      states: {
        beginning: { after: { firstJitter: 'probing' } },
        probing: {
          invoke: {
            src: 'probe',
            input: ({ context: { host, port, settings } }) => ({ host, port, settings }),
            onDone: {
              target: 'waiting',
              actions: [
                { type: 'record', params: ofProbe },
                { type: 'announceResult', params: ofProbe },
                'skipMissedBeats',
                'setDue',
              ],
            },
            onError: {
              guard: { type: 'isProvided', params: ({ event }) => ({ error: event.error }) },
              target: 'waiting',
              actions: [
                { type: 'announceOwnTrouble', params: ({ event }) => ({ error: event.error }) },
                'skipMissedBeats',
                'setDue',
              ],
            },
          },
        },
        waiting: {
          on: {
            SETTINGS_CHANGED: { target: 'waiting', reenter: true, actions: [changeSettings, 'setDueAnew'] },
          },
          after: { untilDue: { target: 'probing', actions: 'takeBeat' } },
        },
      },
    },
  },
});

/** All that a checker knows about its backend. */
export function healthStatusOf({ value, context }: SnapshotFrom<typeof healthCheckerMachine>): HealthStatus {
  const { sinceMs, lastLatencyMs, lastError, consecutiveSuccesses, consecutiveFailures } = context;
  const { verdict } = value;
  return { verdict, sinceMs, lastLatencyMs, lastError, consecutiveSuccesses, consecutiveFailures };
}
