import type { Logger, MonotonicClock } from './ports.ts';

/** A warning that would otherwise come again and again. */
export interface LimitedLog {
  /** Writes a line, or only counts it; `times` in a line says how many there were since the one before. */
  warn(fields: object): void;
  /** The trouble is over: the next warning is news again. */
  reset(): void;
}

/** A warning that can come thousands of times, written at once and then once in `gapMs` at most. */
export function limitedWarning(
  logger: Logger,
  message: string,
  now: MonotonicClock,
  gapMs = 1_000,
): LimitedLog {
  let times = 0;
  let writtenAtMs = -Infinity;
  return {
    warn(fields) {
      times++;
      if (now() - writtenAtMs < gapMs) return;
      logger.warn({ ...fields, times }, message);
      writtenAtMs = now();
      times = 0;
    },
    reset() {
      writtenAtMs = -Infinity;
      times = 0;
    },
  };
}
