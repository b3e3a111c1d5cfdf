import { CONTESTANTS } from './contestants.ts';
import type { Result, Section } from './results.ts';

export interface Overview {
  readonly title: string;
  /** Headings first: scenarios down, contestants across, ratios to the reference in between. */
  readonly rows: readonly (readonly string[])[];
}

/** All ratios of cost, and all of rate. */
export function overviewsOf(sections: readonly Section[]): readonly Overview[] {
  const reference = CONTESTANTS[0]!.name;
  return [
    { title: `Cost, ${reference} = 1`, rows: ratiosOf(sections, ({ costRatio }) => costRatio) },
    { title: `Rate, ${reference} = 1`, rows: ratiosOf(sections, ({ traffic }) => traffic?.rateRatio) },
  ].filter(({ rows }) => rows.length > 1);
}

function ratiosOf(
  sections: readonly Section[],
  ratioOf: (result: Result) => number | undefined,
): readonly (readonly string[])[] {
  const contestants = CONTESTANTS.filter((contestant) =>
    sections.some(({ results }) => results.some((result) => result.contestant === contestant)),
  );
  const rows = sections.map(({ scenario, results }) => [
    scenario.title,
    ...contestants.map((contestant) => {
      const result = results.find((candidate) => candidate.contestant === contestant);
      return (result === undefined ? undefined : ratioOf(result))?.toFixed(2) ?? '';
    }),
  ]);
  const known = rows.filter(([, ...cells]) => cells.some((cell) => cell !== ''));
  return [['', ...contestants.map(({ name }) => name)], ...known];
}
