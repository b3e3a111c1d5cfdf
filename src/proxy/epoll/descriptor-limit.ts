import { readFileSync } from 'node:fs';

/** Enough for half a million connections; the kernel's own default bound (`fs.nr_open`). */
const MOST = 1_048_576;

/** How many descriptors this process may have open, at most. Linux only. */
export function descriptorLimit(): number {
  const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  const limit = Number(line?.[1]);
  return Number.isSafeInteger(limit) ? Math.min(limit, MOST) : MOST;
}
