import { mutationGroup } from './group.ts';

export const lifecycleMutations = mutationGroup(
  'lifecycle',
  'src/machines/lifecycle.ts',
  ['test/machines/lifecycle.test.ts', 'examples/property-tests/lifecycle.test.ts'],
  [
    ['cannot be stopped while it starts', "on: { STOP_REQUESTED: 'closing' },", ''],
    ['does not drain', "on: { STOP_REQUESTED: 'draining' }", "on: { STOP_REQUESTED: 'closing' }"],
    ['waits for connections for ever', 'shutdownLeft: {', '1e9: {'],
    [
      'does not tell that the timeout forces',
      "target: '#lifecycle.closing',\n              actions: emit({ type: 'FORCING', reason: 'timeout' }),",
      "target: '#lifecycle.closing',",
    ],
    [
      'asked again, does not close at once',
      'assign({ closeAtOnce: true })',
      'assign({ closeAtOnce: false })',
    ],
    ['closes at once without being asked again', 'closeAtOnce: false,', 'closeAtOnce: true,'],
    [
      'releases nothing after a failed start',
      "onError: { target: 'cleaningUp', actions: assign({ error: ({ event }) => event.error }) },\n      },\n      on: { STOP",
      "onError: { target: 'failed', actions: assign({ error: ({ event }) => event.error }) },\n      },\n      on: { STOP",
    ],
    [
      'hides why the close failed',
      "onError: { target: 'failed', actions: assign({ error: ({ event }) => event.error }) }",
      "onError: 'stopped'",
    ],
    ['loses the error', '({ error: context.error, isAbandoned', '({ error: undefined, isAbandoned'],
    ['waits for ever for a close', "after: { closeTimeout: 'abandoned' },", ''],
    ['does not hurry', "after: { hurryTimeout: '#lifecycle.abandoned' }", ''],
    ['does not tell that it runs', "entry: emit({ type: 'RUNNING' }),", ''],
    [
      'does not tell that it drains',
      "entry: ['noteDrain', emit({ type: 'DRAINING' })]",
      "entry: ['noteDrain']",
    ],
    [
      'a changed timeout begins anew',
      'Math.max(0, drainingSinceMs + shutdownTimeoutMs - now())',
      'shutdownTimeoutMs',
    ],
    ['does not note when the drain began', "entry: ['noteDrain', ", 'entry: ['],
    ['a drain keeps the old timeout', "target: 'patient', reenter: true", "target: 'patient'"],
    ['ignores a changed timeout', '({ shutdownTimeoutMs }))', '({}))'],
  ],
);
