import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Threads } from './contestants.ts';

/** Who runs where. */
export interface CpuPlan {
  readonly proxy: readonly number[];
  /** Of the client and the origin, two at most. */
  readonly load: readonly number[];
}

/** The CPUs that this process may use. */
export function allowedCpus(): readonly number[] {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** A CPU for each thread of the proxy, and others for the load; where there are none left, it shares the last one. */
export function planCpus(threads: Threads, cpus: readonly number[]): CpuPlan {
  const others = cpus.slice(threads, threads + 2);
  return { proxy: cpus.slice(0, threads), load: others.length > 0 ? others : cpus.slice(-1) };
}

/** Keeps this very process off the CPUs of the proxies. */
export function moveToCpu(cpu: number): void {
  execFileSync('taskset', ['-a', '-p', '-c', String(cpu), String(process.pid)], { stdio: 'ignore' });
}
