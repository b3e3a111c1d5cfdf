import { readdirSync, readFileSync } from 'node:fs';
import { descendantsOf } from '../../support/process-tree.ts';

/** The process and those below it, such as the workers of nginx. */
export async function processTree(pid: number): Promise<readonly number[]> {
  return [pid, ...(await descendantsOf(pid))];
}

/**
 * CPU seconds of all threads of the processes so far, in user and kernel mode.
 *
 * From the scheduler's own account in nanoseconds; the times of /proc/PID/stat come in steps of 10 ms. A thread that
 * has ended is not in it any more: none of the proxies ends threads while it serves.
 */
export function cpuSeconds(pids: readonly number[]): number {
  const tasks = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`),
  );
  return sum(tasks.map((task) => Number(readFileSync(`${task}/schedstat`, 'latin1').split(' ')[0]) / 1e9));
}

/** Resident bytes, each shared page in equal parts with those that share it; buffers of the kernel do not count. */
export function residentBytes(pids: readonly number[]): number {
  return sum(
    pids.map((pid) => {
      const match = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
      if (match === null) throw new Error(`no Pss in /proc/${pid}/smaps_rollup`);
      return Number(match[1]) * 1024;
    }),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
