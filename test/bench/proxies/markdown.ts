import { chaptersOf } from './chapters.ts';
import { rowsOf } from './figures.ts';
import type { Fact } from './machine.ts';
import type { Section } from './results.ts';
import { METHOD } from './method.ts';

export interface Report {
  readonly facts: readonly Fact[];
  readonly command: string;
  readonly rounds: number;
  /** ISO 8601, the day alone. */
  readonly date: string;
  readonly sections: readonly Section[];
}

/** The page docs/benchmarks.md, as a whole. */
export function benchmarksPage({ facts, command, rounds, date, sections }: Report): string {
  const parts = chaptersOf(sections).map((chapter) =>
    [
      `## ${chapter.title}`,
      ...chapter.overviews.flatMap(({ title, rows }) => [`${title}:`, markdownTable(rows)]),
      'In figures:',
      ...chapter.sections.map((section) => markdownTable(rowsOf(section))),
    ].join('\n\n'),
  );
  const about: readonly Fact[] = [
    ...facts,
    ['date', date],
    ['command', `\`${command}\``],
    ['rounds', `${rounds}`],
  ];
  return `# Benchmarks

HAProxy and nginx, as Debian packages them, beside edgeproxy. This page is written by the benchmark; do not edit it.

${about.map(([name, value]) => `- ${name}: ${value}`).join('\n')}

How to read it:

${METHOD.map((line) => `- ${line}`).join('\n')}

${parts.join('\n\n')}
`;
}

function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = `|${head.map((_, column) => (column === 0 ? '---' : '---:')).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}
