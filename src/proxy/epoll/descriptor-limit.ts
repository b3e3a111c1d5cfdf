import { readFileSync } from 'node:fs';

/** Enough for half a million connections; the kernel's own default bound (`fs.nr_open`). */
const MOST = 1_048_576;

/** For the database, the admin and metrics listeners and their clients, files, and Node. */
const OWN_USE = 64;

/** How many descriptors this process may have open, at most. Linux only. */
export function descriptorLimit(): number {
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
