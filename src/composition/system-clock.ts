import { performance } from 'node:perf_hooks';
import { hrtime } from 'node:process';

/** `performance.now()` counts from the start of its thread; the system's monotonic clock is the same in all. */
const [seconds, nanoseconds] = hrtime();
const threadStartMs = seconds * 1_000 + nanoseconds / 1_000_000 - performance.now();

/** Milliseconds on the monotonic clock of the machine, the same in every thread. */
export const systemNow = (): number => threadStartMs + performance.now();
