import { mutationGroup } from './group.ts';

export const healthCheckerMutations = mutationGroup(
  'healthChecker',
  'src/machines/health-checker.ts',
  [
    'test/machines/health-checker.test.ts',
    'test/machines/health-checker-beat.test.ts',
    'examples/property-tests/health-checker.test.ts',
  ],
  [
    [
      'rises a pass late',
      'context.consecutiveSuccesses >= context',
      'context.consecutiveSuccesses > context',
    ],
    [
      'rises a pass early',
      'context.consecutiveSuccesses >= context',
      'context.consecutiveSuccesses + 1 >= context',
    ],
    [
      'falls a failure late',
      'context.consecutiveFailures >= context',
      'context.consecutiveFailures > context',
    ],
    [
      'falls a failure early',
      'context.consecutiveFailures >= context',
      'context.consecutiveFailures + 1 >= context',
    ],
    [
      'rises by the fall threshold',
      'context.settings.healthyThreshold',
      'context.settings.unhealthyThreshold',
    ],
    [
      'falls by the rise threshold',
      'context.settings.unhealthyThreshold',
      'context.settings.healthyThreshold',
    ],
    [
      'a failure does not break a run of passes',
      'consecutiveSuccesses + 1 : 0',
      'consecutiveSuccesses + 1 : context.consecutiveSuccesses',
    ],
    [
      'a pass does not break a run of failures',
      'result.ok ? 0 :',
      'result.ok ? context.consecutiveFailures :',
    ],
    ['never rises from unhealthy', "always: { guard: 'hasRisen', target: 'healthy' },", ''],
    ['never falls from healthy', "always: { guard: 'hasFallen', target: 'unhealthy' },", ''],
    ['never falls from unknown', "{ guard: 'hasFallen', target: 'unhealthy' },\n          ]", ']'],
    [
      'drifts by what probes take',
      'beatMs: ({ context }) => lastBeat(context)',
      'beatMs: ({ context }) => context.now()',
    ],
    [
      'makes up for beats that it missed',
      'beatMs: ({ context }) => lastBeat(context)',
      'beatMs: ({ context }) => context.beatMs',
    ],
    ['never goes on to the next beat', "target: 'probing', actions: 'takeBeat'", "target: 'probing'"],
    ['is late by half the interval', 'const JITTER = 0.1', 'const JITTER = 0.5'],
    ['does not spread probes', 'const JITTER = 0.1', 'const JITTER = 0'],
    ['the first probe may be very late', 'MAX_FIRST_JITTER_MS = 1_000', 'MAX_FIRST_JITTER_MS = 100_000'],
    [
      'the first probe waits an interval',
      'random() * Math.min(',
      'settings.intervalMs + random() * Math.min(',
    ],
    ['a changed interval begins anew', 'Math.max(beatMs + intervalMs, now())', 'now() + intervalMs'],
    [
      'late, becomes later with every change',
      'isLate ? Math.min(context.dueMs, nextDue(context)) : nextDue(context)',
      'nextDue(context)',
    ],
    ['a changed interval waits for the next probe', "target: 'waiting', reenter: true", "target: 'waiting'"],
    ['ignores changed settings', 'assign((_, { settings }: Change) => ({ settings }))', 'assign({})'],
    [
      'the trouble of the daemon counts as a failure',
      "{ type: 'announceOwnTrouble',",
      "{ type: 'record', params: () => ({ result: { ok: false, latencyMs: 0, error: '' } as const }) },\n{ type: 'announceOwnTrouble',",
    ],
    ['hides that no probe is provided', "error.code === 'ERR_NOT_PROVIDED'", 'false'],
    [
      'keeps the error of an earlier probe',
      'lastError: result.ok ? undefined',
      'lastError: result.ok ? context.lastError',
    ],
    [
      'does not say since when',
      'sinceMs: ({ context }) => context.now()',
      'sinceMs: ({ context }) => context.sinceMs',
    ],
    ['does not tell that it is healthy', ", { type: 'announceVerdict', params: { verdict: 'healthy' } }", ''],
    ['does not tell of results', "{ type: 'announceResult', params: ofProbe },", ''],
  ],
);
