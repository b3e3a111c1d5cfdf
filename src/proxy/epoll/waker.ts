import type { Sys } from '../sys/sys.ts';
import { must } from './errno.ts';

/** Wakes a thread out of `epoll_wait`. @param wakeFds an eventfd for each thread, none once they are closed */
export function wakerOf(sys: Sys, wakeFds: readonly number[]): (thread: number) => void {
  const one = new BigUint64Array(new ArrayBuffer(8)).fill(1n);
  const oneAt = sys.addressOf(one.buffer);
  return (thread) => {
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
