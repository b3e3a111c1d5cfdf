import type { Probe } from '../../domain/health.ts';
import type { MonotonicClock } from '../../domain/ports.ts';
import { runAttempt } from './attempt.ts';
import { lookFor } from './looks.ts';
import { createSemaphore } from './semaphore.ts';

export interface ProbeOptions {
  /** Sockets of probes over all backends; further probes wait their turn, first come first served. */
  readonly maxInFlight: number;
  readonly now: MonotonicClock;
}

export interface LimitedProbe extends Probe {
  /** Changes `maxInFlight`; probes under way go on. */
  limit(maxInFlight: number): void;
}

/**
 * Probes by TCP connect or HTTP GET.
 *
 * `timeoutMs` and the latency run from the connect to the end of the headers; waiting for a turn counts for neither.
 * Rejects with the reason of the signal, and for the daemon's own trouble (no descriptors, no ports, no permission)
 * with an error that says so. Source: seed, Active Health Checks.
 */
export function createProbe({ maxInFlight, now }: ProbeOptions): LimitedProbe {
  const places = createSemaphore(maxInFlight);
  const probe: Probe = async ({ host, port }, { check, header, timeoutMs }, signal) => {
    const release = await places.acquire(signal);
    if (signal.aborted) {
      release();
      throw signal.reason;
    }
    const target = { host, port };
    return runAttempt({
      target,
      look: lookFor(check, target, header),
      timeoutMs,
      signal,
      now,
      onClosed: release,
    });
  };
  return Object.assign(probe, { limit: (next: number) => places.resize(next) });
}
