import { mutationGroup } from './group.ts';

export const postgresSubscriptionMutations = mutationGroup(
  'postgresSubscription',
  'src/machines/postgres-subscription.ts',
  ['test/machines/postgres-subscription.test.ts', 'examples/property-tests/subscription.test.ts'],
  [
    ['gives no hint after LISTEN', "entry: ['announceChange', 'beat']", "entry: ['beat']"],
    ['sends no first heartbeat', "entry: ['announceChange', 'beat']", "entry: ['announceChange']"],
    ['ignores notifications', "NOTIFIED: { actions: 'announceChange' },", ''],
    ['takes notifications before LISTEN for hints', 'on: { NOTIFIED: IGNORED, LISTENING', 'on: { LISTENING'],
    ['an attempt has no deadline', 'connectDeadline: {\n', 'NEVER: {\n'],
    ['sends one heartbeat only', "after: { heartbeatInterval: 'checking' },", ''],
    ['a lost session stays lost', "after: { backoff: 'session' },", ''],
    [
      'a lost session is opened again at once',
      'backoff: ({ context }) => context.retryInMs',
      'backoff: () => 0',
    ],
    ['the backoff does not grow', 'context.failures + 1, context.backoff', '1, context.backoff'],
    [
      'the backoff never starts over',
      "actions: ['resetFailures', 'announceLive']",
      "actions: ['announceLive']",
    ],
    [
      'the backoff starts over with LISTEN',
      "entry: ['announceChange', 'beat']",
      "entry: ['announceChange', 'beat', 'resetFailures']",
    ],
    [
      'does not tell that it is live',
      "actions: ['resetFailures', 'announceLive']",
      "actions: ['resetFailures']",
    ],
    ['cannot be stopped while it backs off', "on: { STOP: 'stopped' },", ''],
    ['cannot be stopped in a session', "STOP: '.stopping',", ''],
    [
      'waits for a session to close for ever',
      "after: { closeDeadline: '#postgresSubscription.stopped' },",
      '',
    ],
    ['stops without closing the session', "entry: 'closeSession',", ''],
    ['says that it is live when it is not', "live: {\n          tags: 'live',", 'live: {'],
  ],
);
