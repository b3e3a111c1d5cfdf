import { mutationGroup } from './group.ts';

const CHANGED = "SETTINGS_CHANGED: { target: '";

export const backendMutations = mutationGroup(
  'backend',
  'src/machines/backend.ts',
  [
    'test/machines/backend.test.ts',
    'test/machines/backend-down.test.ts',
    'examples/property-tests/backend.test.ts',
  ],
  [
    ['a changed timeout begins anew', 'Math.max(0, sinceMs + drainTimeoutMs - now())', 'drainTimeoutMs'],
    ['never ends a drain', 'after: { drainLeft: {', 'on: { NEVER: {'],
    [
      'ends a drain without a cut',
      "target: '#backend.removed', actions: 'cut'",
      "target: '#backend.removed'",
    ],
    ['does not note when its row went', "['noteRemoval', announce('draining')]", "[announce('draining')]"],
    [
      'drains for as long as it may be down',
      'drainLeft: ({ context }) => timeLeft(context.removedAtMs',
      'drainLeft: ({ context }) => timeLeft(context.downAtMs',
    ],
    ['goes on although its last connection has ended', "IDLE: '#backend.removed',", ''],
    [
      'cuts although its last connection has ended',
      "IDLE: '#backend.removed'",
      "IDLE: { target: '#backend.removed', actions: 'cut' }",
    ],
    ['does not come back', "RESTORED: { target: 'active'", "RESTORED: { target: 'draining'"],
    ['does not tell that it is back', "target: 'active', actions: announce('active')", "target: 'active'"],
    ['does not tell that it drains', "['noteRemoval', announce('draining')]", "['noteRemoval']"],
    ['does not tell that it is removed', "type: 'final', entry: announce('removed')", "type: 'final'"],
    ['ignores that its row went', 'REMOVED: {', 'NEVER: {'],
    ['draining keeps the old timeout', `${CHANGED}draining', reenter: true`, `${CHANGED}draining'`],
    ['evacuating keeps the old timeout', `${CHANGED}evacuating', reenter: true`, `${CHANGED}evacuating'`],
    ['ignores a changed timeout', '({ drainTimeoutMs }))', '({}))'],
    ['goes on evacuating when it should keep', "{ target: '.steady' },", ''],
    ['drains when it should cut', "policy === 'cut'", "policy === 'drain'"],
    ['cuts when it should keep', "policy === 'cut'", "policy !== 'drain'"],
    ['drains when it should keep', "policy === 'drain'", "policy !== 'cut'"],
    ['the policy cut cuts nothing', "target: '.evacuated', actions: 'cut'", "target: '.evacuated'"],
    [
      'does not note when it went down',
      "target: '.evacuating', actions: 'noteDown'",
      "target: '.evacuating'",
    ],
    ['never ends an evacuation', 'after: { evacuationLeft: {', 'on: { NEVER: {'],
    ['ends an evacuation without a cut', "target: 'evacuated', actions: 'cut'", "target: 'evacuated'"],
    ['goes on evacuating when it is up', "CAME_UP: 'steady',\n                IDLE", 'IDLE'],
    ['goes on evacuating nothing', "IDLE: 'evacuated',", ''],
    [
      'gets more time when it is said down again',
      "WENT_DOWN: { guard: { type: 'isToDrain', params: ofEvent } },",
      '',
    ],
  ],
);
