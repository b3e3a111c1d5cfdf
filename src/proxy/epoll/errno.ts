import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';

const { EAGAIN, ECONNABORTED, EINTR, EMFILE, ETIMEDOUT } = constants.errno;

/** What `Sys` returns for the conditions that are no failures, or need an answer of their own. */
export const AGAIN = -EAGAIN;
export const INTERRUPTED = -EINTR;
export const ABORTED = -ECONNABORTED;
export const NO_DESCRIPTORS = -EMFILE;
export const TIMED_OUT = -ETIMEDOUT;

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
