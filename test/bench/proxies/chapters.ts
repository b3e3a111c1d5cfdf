import { type Overview, overviewsOf } from './overview.ts';
import type { Section } from './results.ts';

/** Sections that belong together, with an overview of their ratios. */
export interface Chapter {
  readonly title: string;
  readonly overviews: readonly Overview[];
  readonly sections: readonly Section[];
}

const TITLES = ['One thread', 'Two threads', 'TLS'] as const;

/** All sections by chapter; a chapter that has none is left out. */
export function chaptersOf(sections: readonly Section[]): readonly Chapter[] {
  return TITLES.map((title) => {
    const own = sections.filter((section) => titleOf(section) === title);
    return { title, overviews: overviewsOf(own), sections: own };
  }).filter((chapter) => chapter.sections.length > 0);
}

function titleOf({ scenario, threads }: Section): (typeof TITLES)[number] {
  if (scenario.serverKey !== undefined) return 'TLS';
  return threads === 1 ? 'One thread' : 'Two threads';
}
