import type { TimeoutKind } from '../domain/outcome.ts';

/** In milliseconds; 0 is never, but for the first. They may change while connections live, whose time goes on. */
export interface Timeouts {
  /** For one connect; all attempts of a client together get `connectAttempts` times that. */
  readonly connectTimeoutMs: number;
  readonly connectAttempts: number;
  /** A connection that is silent both ways for so long is closed. */
  readonly idleTimeoutMs: number;
  /** The same for one that one side has ended. */
  readonly halfClosedTimeoutMs: number;
  /** From a client's first byte to its backend's. */
  readonly firstByteTimeoutMs: number;
}

/** How often all connections are looked at, at most and at least, and how many times within a timeout. */
const LONGEST_SWEEP_MS = 500;
const SHORTEST_SWEEP_MS = 10;
const SWEEPS_PER_TIMEOUT = 4;

/** Milliseconds between two looks at all connections: timeouts of a second and more are late by half a second at most. */
export function sweepIntervalMs(timeouts: Timeouts): number {
  const { idleTimeoutMs, halfClosedTimeoutMs, firstByteTimeoutMs } = timeouts;
  const set = [idleTimeoutMs, halfClosedTimeoutMs, firstByteTimeoutMs].filter((ms) => ms > 0);
  const wanted = Math.min(LONGEST_SWEEP_MS, ...set.map((ms) => ms / SWEEPS_PER_TIMEOUT));
  return Math.max(SHORTEST_SWEEP_MS, wanted);
}

/**
 * Which timeout of an established connection is over.
 *
 * @param quietMs since a byte, or the FIN of one side, went through last
 * @param unansweredMs since the client's first byte when its backend has not sent any; below zero otherwise
 */
export function timeoutOver(
  { idleTimeoutMs, halfClosedTimeoutMs, firstByteTimeoutMs }: Timeouts,
  quietMs: number,
  isHalfClosed: boolean,
  unansweredMs: number,
): TimeoutKind | undefined {
  if (firstByteTimeoutMs > 0 && unansweredMs >= firstByteTimeoutMs) return 'first_byte';
  if (isHalfClosed && halfClosedTimeoutMs > 0 && quietMs >= halfClosedTimeoutMs) return 'half_closed';
  if (idleTimeoutMs > 0 && quietMs >= idleTimeoutMs) return 'idle';
  return undefined;
}
