import { readFileSync } from 'node:fs';

/** Enough for half a million connections; the kernel's own default bound (`fs.nr_open`). */
const MOST = 1_048_576;

/** For the database, the admin and metrics listeners and their clients, files, and Node. */
const OWN_USE = 64;

/** Why clients have to wait, or are closed, when there are descriptors left. */
export const RESERVED = 'the last descriptors are kept for the daemon itself';

/** How many descriptors this process may have open, at most; where it is not Linux, more than it ever has. */
export function descriptorLimit(): number {
  if (process.platform !== 'linux') return MOST;
  const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  const limit = Number(line?.[1]);
  return Number.isSafeInteger(limit) ? Math.min(limit, MOST) : MOST;
}

/**
 * The descriptor number from which on none is for clients, so that a flood of them leaves the daemon its database,
 * its probes and its metrics. The kernel gives the lowest number that is free: one at the ceiling says that all below
 * are taken.
 *
 * @param probes that may be under way at one time
 */
export function clientCeiling(limit: number, probes: number): number {
  return limit - Math.min(OWN_USE + probes, Math.floor(limit / 4));
}
