import { mutationGroup } from './group.ts';

const LEFT = 'Math.max(0, timerSinceMs + durationMs - now())';

export const circuitBreakerMutations = mutationGroup(
  'circuitBreaker',
  'src/machines/circuit-breaker.ts',
  [
    'test/machines/circuit-breaker.test.ts',
    'test/machines/circuit-breaker-half-open.test.ts',
    'examples/property-tests/circuit-breaker.test.ts',
  ],
  [
    ['opens a failure late', 'context.failures >= context', 'context.failures > context'],
    ['opens a failure early', 'context.failures >= context', 'context.failures + 1 >= context'],
    ['closes a success late', 'context.successes >= context', 'context.successes > context'],
    ['closes a success early', 'context.successes >= context', 'context.successes + 1 >= context'],
    ['counts outcomes of any epoch', 'epoch === context.epoch', 'true'],
    ['counts outcomes of older epochs', 'epoch === context.epoch', 'epoch <= context.epoch'],
    ['counts outcomes of later epochs', 'epoch === context.epoch', 'epoch >= context.epoch'],
    ['goes on with the same epoch', 'epoch: context.epoch + 1', 'epoch: context.epoch'],
    ['ignores the first epoch', 'epoch: firstEpoch', 'epoch: 1'],
    ['a success forgets nothing', 'assign({ failures: 0 })', 'assign({})'],
    ['keeps successes of an earlier half-open', 'successes: 0,\n      timer', 'timer'],
    [
      'keeps failures of an earlier closed',
      'failures: 0,\n      successes: 0,\n      timer',
      'successes: 0,\n      timer',
    ],
    [
      'a failure while open extends the timer',
      'open: {\n      on: {',
      "open: {\n      on: { CONNECTION_FAILED: { target: 'open', reenter: true, actions: 'restartLease' },",
    ],
    ['never tries again', 'after: { openLeft: {', 'on: { NEVER: {'],
    ['forgets when the circuit opened', 'timerSinceMs: context.now(),', ''],
    ['changed durations begin anew', LEFT, 'durationMs'],
    [
      'an open circuit keeps its old duration',
      "target: 'open', reenter: true, actions: changeSettings",
      "target: 'open', actions: changeSettings",
    ],
    [
      'half-open keeps its old lease',
      "target: 'halfOpen', reenter: true, actions: changeSettings",
      "target: 'halfOpen', actions: changeSettings",
    ],
    ['ignores changed settings', 'assign((_, { settings }: Change) => ({ settings }))', 'assign({})'],
    ['a failed trial is no failure', "target: 'open', actions: enter('open', 'trial_failed')", 'actions: []'],
    ['never renews permits', 'after: {\n        leaseLeft: {', 'on: {\n        NEVER: {'],
    [
      'renews permits under the same grant',
      'grant: ({ context }) => context.grant + 1',
      'grant: ({ context }) => context.grant',
    ],
    ['an epoch keeps the grant', 'grant: context.grant + 1,', 'grant: context.grant,'],
    ['a success does not restart the lease', "['countSuccess', 'restartLease']", "['countSuccess']"],
    ['a renewal does not restart the lease', "['renewPermits', 'restartLease', ", "['renewPermits', "],
    ['does not tell of a renewal', ", 'announceRenewal']", ']'],
    ['cannot be reset', "RESET: { target: '.closed', ", 'RESET: { '],
    ['open admits one', 'open: 0, half', 'open: 1, half'],
    ['half-open admits any number', 'halfOpen: settings.successThreshold', 'halfOpen: undefined'],
  ],
);
