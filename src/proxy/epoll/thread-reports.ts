import { endpointOf } from '../../domain/backend.ts';
import type { FailureCause, Outcome } from '../../domain/outcome.ts';
import type { Logger, OutcomeSink } from '../../domain/ports.ts';
import type { Attention } from '../attention.ts';
import type { SlotTable } from '../slot-table.ts';
import { errorNameOf } from './errno.ts';
import { type LogLine, OUTCOME_CELLS, OUTCOME_CODES } from './messages.ts';

/** Makes outcomes of what a thread has reported; those of backends that are gone say nothing any more. */
function outcomesOf(cells: readonly number[], slots: SlotTable): readonly Outcome[] {
  const outcomes: Outcome[] = [];
  for (let at = 0; at < cells.length; at += OUTCOME_CELLS) {
    const occupant = slots.holding(cells[at]!);
    if (occupant === undefined) continue;
    const { incarnation, backend } = occupant;
    const about = { incarnation, epoch: cells[at + 1]! };
    const code = OUTCOME_CODES[cells[at + 2]!]!;
    if (code === 'trial' || code === 'success') outcomes.push({ ...about, result: code });
    else {
      const error = cells[at + 3]!;
      const detail = error < 0 ? `${errorNameOf(error)} ${endpointOf(backend)}` : detailOf(code);
      outcomes.push({ ...about, result: 'failure', cause: code, detail });
    }
  }
  return outcomes;
}

function detailOf(code: FailureCause): string {
  if (code === 'reset') return 'a write to it has failed';
  return code === 'first_byte_timeout' ? 'no byte in return in time' : 'no byte in return';
}

/** Takes note of which failures have been read, and lets go of backends whose breakers are at ease. */
export function attend(
  outcomes: readonly Outcome[],
  slots: SlotTable,
  attention: Attention,
  isAtEase: (incarnation: string) => boolean,
): void {
  // Who read the outcomes may have made sets of them, and slots may have changed hands.
  for (const { incarnation, result } of outcomes) {
    const slot = slots.of(incarnation)?.slot;
    if (slot !== undefined && result === 'failure') attention.read(slot);
  }
  for (const incarnation of new Set(outcomes.map((outcome) => outcome.incarnation))) {
    const slot = slots.of(incarnation)?.slot;
    if (slot !== undefined && isAtEase(incarnation)) attention.atEase(slot);
  }
}

export interface HearingOptions {
  readonly directory: { readonly slots: SlotTable };
  readonly state: { readonly attention: Attention };
  readonly onOutcomes: OutcomeSink;
  /** Whether a success would tell the breaker of an incarnation nothing. */
  readonly isAtEase: (incarnation: string) => boolean;
}

/** Tells what a thread has reported of backends. */
export function hear(
  cells: readonly number[],
  { directory, state, onOutcomes, isAtEase }: HearingOptions,
): void {
  const outcomes = outcomesOf(cells, directory.slots);
  onOutcomes(outcomes);
  attend(outcomes, directory.slots, state.attention, isAtEase);
}

/** Writes the lines of a thread, with names for its numbers. */
export function writeLines(
  lines: readonly LogLine[],
  thread: number,
  slots: SlotTable,
  logger: Logger,
): void {
  for (const { level, fields, message } of lines) logger[level]({ ...named(fields, slots), thread }, message);
}

function named(fields: object, slots: SlotTable): object {
  if (!('tenancy' in fields) || typeof fields.tenancy !== 'number') return fields;
  const { tenancy, ...others } = fields;
  return { ...others, backend: slots.holding(tenancy)?.backend.id };
}
