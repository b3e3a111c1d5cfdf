import { type LimitedLog, limitedWarning } from '../domain/limited-log.ts';
import { REFUSAL_REASONS, type RefusalReason } from '../domain/outcome.ts';
import type { Logger, MonotonicClock } from '../domain/ports.ts';

/** A warning for each reason, so that one that is frequent does not hide another. */
export function refusalWarnings(
  logger: Logger,
  now: MonotonicClock,
): Readonly<Record<RefusalReason, LimitedLog>> {
  return Object.fromEntries(
    REFUSAL_REASONS.map((reason) => [reason, limitedWarning(logger, 'clients are refused', now)]),
  ) as Record<RefusalReason, LimitedLog>;
}
