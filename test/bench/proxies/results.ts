import { quantileOf } from '../report.ts';
import { type Contestant, CONTESTANTS, type Threads } from './contestants.ts';
import type { Sample } from './measure.ts';
import { type Scenario, SCENARIOS } from './scenarios.ts';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What the rounds of one contestant in one scenario have come to. */
export interface Result {
  readonly contestant: Contestant;
  readonly cost: Spread;
  /** Median cost over that of the reference; `undefined` without one. */
  readonly costRatio: number | undefined;
  readonly traffic?: {
    readonly rate: Spread;
    readonly rateRatio: number | undefined;
    readonly loadCost: Spread;
  };
}

export interface Section {
  readonly threads: Threads;
  readonly scenario: Scenario;
  readonly results: readonly Result[];
}

/** All results, by threads and scenario; those that nobody took part in are left out. */
export function summarize(samples: readonly Sample[]): readonly Section[] {
  const sections = ([1, 2] as const).flatMap((threads) =>
    SCENARIOS.map((scenario) => ({ threads, scenario, results: resultsOf(samples, threads, scenario) })),
  );
  return sections.filter(({ results }) => results.length > 0);
}

function resultsOf(samples: readonly Sample[], threads: Threads, scenario: Scenario): readonly Result[] {
  const ofScenario = samples.filter(
    (sample) => sample.threads === threads && sample.scenario === scenario.key,
  );
  const of = (contestant: Contestant): readonly Sample[] =>
    ofScenario.filter((sample) => sample.contestant === contestant.key);
  const reference = of(CONTESTANTS[0]!);
  return CONTESTANTS.filter((contestant) => of(contestant).length > 0).map((contestant) => {
    const own = of(contestant);
    const cost = spreadOf(own.map((sample) => sample.cost));
    const costRatio = ratio(
      cost,
      reference.map((sample) => sample.cost),
    );
    const rates = ratesOf(own);
    if (rates.length === 0) return { contestant, cost, costRatio };
    const rate = spreadOf(rates);
    const rateRatio = ratio(rate, ratesOf(reference));
    const loadCost = spreadOf(
      own.flatMap(({ traffic }) => (traffic === undefined ? [] : [traffic.loadCost])),
    );
    return { contestant, cost, costRatio, traffic: { rate, rateRatio, loadCost } };
  });
}

function ratesOf(samples: readonly Sample[]): readonly number[] {
  return samples.flatMap(({ traffic }) => (traffic === undefined ? [] : [traffic.rate]));
}

function spreadOf(values: readonly number[]): Spread {
  return { median: quantileOf(values, 0.5), min: Math.min(...values), max: Math.max(...values) };
}

function ratio({ median }: Spread, reference: readonly number[]): number | undefined {
  return reference.length === 0 ? undefined : median / quantileOf(reference, 0.5);
}
