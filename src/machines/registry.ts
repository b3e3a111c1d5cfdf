import type { AnyStateMachine } from 'xstate';
import { backendMachine } from './backend.ts';
import { circuitBreakerMachine } from './circuit-breaker.ts';
import { healthCheckerMachine } from './health-checker.ts';
import { lifecycleMachine } from './lifecycle.ts';
import { postgresSubscriptionMachine } from './postgres-subscription.ts';

export interface RegisteredMachine {
  readonly name: string;
  readonly machine: AnyStateMachine;
  /** One line for people. */
  readonly description: string;
}

/** Every statechart of edgeproxy, in the order in which a reader meets them. */
export const MACHINES: readonly RegisteredMachine[] = [
  {
    name: 'lifecycle',
    machine: lifecycleMachine,
    description: 'The daemon, from the first bind to the last close.',
  },
  {
    name: 'backend',
    machine: backendMachine,
    description:
      'One backend at one address: active, draining, removed, and what becomes of its connections.',
  },
  {
    name: 'circuitBreaker',
    machine: circuitBreakerMachine,
    description:
      'Leaves a backend that fails clients alone for a while, then tries it with a few connections.',
  },
  {
    name: 'healthChecker',
    machine: healthCheckerMachine,
    description: 'Probes one backend on a steady beat, and judges it by results in a row.',
  },
  {
    name: 'postgresSubscription',
    machine: postgresSubscriptionMachine,
    description: 'The LISTEN session: never deaf without knowing it, and it never gives up.',
  },
];
