import type { Bells } from '../bells.ts';
import type { Sys } from '../sys/sys.ts';
import { must } from './errno.ts';

/**
 * Wakes a data thread out of `epoll_wait`, and any other one by its bell.
 *
 * @param wakeFds an eventfd for each data thread, none once they are closed
 */
export function wakerOf(
  sys: Sys,
  wakeFds: readonly number[],
  bells: Pick<Bells, 'ring'>,
): (thread: number) => void {
  const dataThreads = wakeFds.length;
  const one = new BigUint64Array(new ArrayBuffer(8)).fill(1n);
  const oneAt = sys.addressOf(one.buffer);
  return (thread) => {
    if (thread >= dataThreads) return bells.ring(thread);
    const fd = wakeFds[thread];
    if (fd !== undefined) sys.write(fd, oneAt, one.byteLength);
  };
}

/** Opens an eventfd for each thread, or none and throws. */
export function openWakeFds(sys: Sys, threads: number): number[] {
  const fds: number[] = [];
  try {
    while (fds.length < threads) fds.push(must(sys.eventfd(), 'eventfd'));
    return fds;
  } catch (error) {
    for (const fd of fds) sys.close(fd);
    throw error;
  }
}
