import { type DestinationStream, type Logger, pino } from 'pino';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/**
 * JSON lines, one object each: `level` as a word, `time` in ISO 8601, `msg` constant, everything else as fields.
 * Lines are written synchronously, so none is lost when the process exits.
 */
export function createLogger(
  level: LogLevel,
  destination: DestinationStream = pino.destination({ sync: true }),
): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}
