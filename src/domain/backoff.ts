export interface BackoffOptions {
  /** Upper bound of the first delay. */
  readonly baseMs: number;
  /** Upper bound of every delay. */
  readonly maxMs: number;
}

/**
 * The delay before retry number `attempt` (1 is the first): exponential, capped, with equal jitter.
 *
 * Half of the delay is fixed and half is random, so that many daemons that lost one database neither come back in
 * one burst nor at once. It never gives up: every attempt has a delay.
 * Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (equal jitter).
 *
 * @param random a number in [0, 1)
 */
export function backoffDelayMs(attempt: number, { baseMs, maxMs }: BackoffOptions, random: number): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30));
  return ceiling / 2 + (ceiling / 2) * random;
}
