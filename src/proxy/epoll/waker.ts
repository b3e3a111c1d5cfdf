import type { Sys } from '../sys/sys.ts';
import { must } from './errno.ts';

/** Wakes a thread out of `epoll_wait`. @param wakeFds an eventfd for each thread, open as long as the engine is */
export function wakerOf(sys: Sys, wakeFds: readonly number[]): (thread: number) => void {
  const one = new BigUint64Array(new ArrayBuffer(8)).fill(1n);
  const oneAt = sys.addressOf(one.buffer);
  return (thread) => void sys.write(wakeFds[thread]!, oneAt, one.byteLength);
}

/** Opens an eventfd for each thread, or none and throws. */
export function openWakeFds(sys: Sys, threads: number): readonly number[] {
  const fds: number[] = [];
  try {
    while (fds.length < threads) fds.push(must(sys.eventfd(), 'eventfd'));
    return fds;
  } catch (error) {
    for (const fd of fds) sys.close(fd);
    throw error;
  }
}
