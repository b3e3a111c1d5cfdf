import type { ChartState, Trigger } from './chart.ts';
import type { Size } from './layered.ts';

/** Width of a character of the fonts of the page: names 13 px bold, rows and labels 11.5 px, both monospaced. */
const NAME_CHARACTER = 8;
const ROW_CHARACTER = 7;

const ROW_HEIGHT = 16;
const LABEL_ROW_HEIGHT = 15;
const HEAD_HEIGHT = 34;
const MAX_ROW_CHARACTERS = 46;

/** The size of a state on its own, and where its inside begins. */
export interface StateMeasure extends Size {
  readonly top: number;
  readonly padding: number;
}

const widthOf = (rows: readonly string[]): number =>
  Math.max(0, ...rows.map((row) => Math.min(row.length, MAX_ROW_CHARACTERS) * ROW_CHARACTER));

export function measureState({ key, rows, children }: ChartState): StateMeasure {
  const padding = children.length === 0 ? 0 : 20;
  const height = HEAD_HEIGHT + (rows.length === 0 ? 0 : rows.length * ROW_HEIGHT + 10);
  return {
    width: Math.max(72, key.length * NAME_CHARACTER + 28, widthOf(rows) + 26),
    height,
    top: height + (children.length === 0 ? 0 : 10),
    padding,
  };
}

/** The size of a label: one line for each event, and one below it for its guard. */
export function measureLabel(triggers: readonly Trigger[]): Size {
  const rows = triggers.flatMap(({ label, guard }) =>
    guard === undefined ? [label] : [label, `[${guard}]`],
  );
  return { width: widthOf(rows) + 20, height: rows.length * LABEL_ROW_HEIGHT + 8 };
}
