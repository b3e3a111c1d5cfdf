import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';

const { EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOTSOCK, ETIMEDOUT } =
  constants.errno;

/** What `Sys` returns for the conditions that are no failures, or need an answer of their own. */
export const AGAIN = -EAGAIN;
export const INTERRUPTED = -EINTR;
export const NO_DESCRIPTORS = -EMFILE;
export const TIMED_OUT = -ETIMEDOUT;

/** The process or the machine has run out of descriptors or memory. @param result below zero */
export function isExhaustion(result: number): boolean {
  return [EMFILE, ENFILE, ENOBUFS, ENOMEM].includes(-result);
}

/** A call was made that never should have been. @param result below zero */
export function isMistake(result: number): boolean {
  return [EBADF, EFAULT, EINVAL, ENOTSOCK].includes(-result);
}

/** The name of a failure, such as `ECONNREFUSED`. @param result below zero, as `Sys` returned it */
export function errorNameOf(result: number): string {
  return getSystemErrorName(result);
}

/** Throws when a call has failed that cannot fail but by a mistake or for want of descriptors. */
export function must(result: number, call: string): number {
  if (result >= 0) return result;
  const code = errorNameOf(result);
  throw Object.assign(new Error(`${call}: ${code}`), { code, syscall: call });
}
