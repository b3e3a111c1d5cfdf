import type { MonotonicClock } from '../domain/ports.ts';
import { Affinity } from './affinity.ts';
import { Apps } from './apps.ts';
import { ConnectionLimits, newConnectionLimitsMemory } from './connection-limits.ts';
import {
  type EngineNumbers,
  engineNumbersIn,
  type EngineNumbersMemory,
  newEngineNumbersMemory,
} from './engine-numbers.ts';
import { type RateLimitConfig, RateLimiter } from './rate-limiter.ts';
import type { SharedState } from './shared-state.ts';
import { newWaitQueueMemory, type WaitQueueMemory } from './wait-queue.ts';

export interface EnginePartsOptions {
  readonly state: SharedState;
  /** As they are at first. */
  readonly numbers: EngineNumbers;
  readonly rateLimit: RateLimitConfig;
  /** Bits of an IPv6 address that make a client of the limits of connections. */
  readonly ipv6Prefix: number;
  /** The same in every thread. */
  readonly now: MonotonicClock;
}

/** What all threads of an engine decide by, as its owner has it. */
export interface EngineParts {
  readonly numbersMemory: EngineNumbersMemory;
  /** Read anew each time. */
  readonly numbers: EngineNumbers;
  readonly affinity: Affinity;
  readonly apps: Apps;
  readonly limiter: RateLimiter;
  readonly limits: ConnectionLimits;
  readonly queue: WaitQueueMemory;
}

export function newEngineParts(options: EnginePartsOptions): EngineParts {
  const { state, rateLimit, ipv6Prefix, now } = options;
  const threads = state.counters.length;
  const holder = threads + 1;
  const numbersMemory = newEngineNumbersMemory(options.numbers);
  const numbers = engineNumbersIn(numbersMemory);
  return {
    numbersMemory,
    numbers,
    apps: new Apps(),
    affinity: new Affinity({ binding: numbers.binding, now, memory: state.memory.affinity, holder }),
    limiter: new RateLimiter({ ...rateLimit, now, holder }),
    limits: new ConnectionLimits(newConnectionLimitsMemory(ipv6Prefix), numbers.limits, holder),
    queue: newWaitQueueMemory(threads),
  };
}
