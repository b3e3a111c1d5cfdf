import type { Threads } from './contestants.ts';
import type { Sample } from './measure.ts';
import type { Result, Section, Spread } from './results.ts';
import type { Scenario } from './scenarios.ts';

/** How the figures of a scenario are written: a factor that leaves a number to read, and what it then counts. */
interface Scale {
  readonly factor: number;
  readonly label: string;
}

export function costScale(scenario: Scenario): Scale {
  switch (scenario.kind) {
    case 'start':
      return { factor: 1e3, label: 'ms' };
    case 'idle':
      return { factor: 1 / 1024, label: 'KiB/connection' };
    case 'traffic':
      return scenario.unit === 'GB'
        ? { factor: 1e3, label: 'CPU ms/GB' }
        : { factor: 1e6, label: `CPU µs/${scenario.unit}` };
    default:
      return scenario satisfies never;
  }
}

function rateScale(scenario: Scenario): Scale {
  const isBulk = scenario.kind === 'traffic' && scenario.unit === 'GB';
  return isBulk ? { factor: 1, label: 'GB/s' } : { factor: 1e-3, label: 'thousand/s' };
}

/** Headings and rows of one section, for a table of text or of Markdown. */
export function rowsOf({ scenario, results }: Section): readonly (readonly string[])[] {
  const cost = costScale(scenario);
  const rate = rateScale(scenario);
  const hasRates = results.some(({ traffic }) => traffic !== undefined);
  const head = [scenario.title, cost.label, 'ratio', 'min..max'];
  return [
    hasRates ? [...head, rate.label, 'ratio', 'min..max', 'CPU of the load'] : head,
    ...results.map((result) => [
      result.contestant.name,
      scaled(result.cost.median, cost),
      ratioText(result.costRatio),
      rangeText(result.cost, cost),
      ...(hasRates ? trafficCells(result, cost, rate) : []),
    ]),
  ];
}

function trafficCells({ traffic }: Result, cost: Scale, rate: Scale): readonly string[] {
  if (traffic === undefined) return ['', '', '', ''];
  return [
    scaled(traffic.rate.median, rate),
    ratioText(traffic.rateRatio),
    rangeText(traffic.rate, rate),
    scaled(traffic.loadCost.median, cost),
  ];
}

export function scaled(value: number, { factor }: Scale): string {
  const number = value * factor;
  return number.toFixed(Math.abs(number) >= 100 ? 0 : Math.abs(number) >= 10 ? 1 : 2);
}

function ratioText(ratio: number | undefined): string {
  return ratio === undefined ? '' : ratio.toFixed(2);
}

function rangeText({ min, max }: Spread, scale: Scale): string {
  return `${scaled(min, scale)}..${scaled(max, scale)}`;
}

const NAME_WIDTH = 34;
const CELL_WIDTH = 10;

function cellOf({ key }: Scenario, text: string): string {
  return text.padStart(Math.max(CELL_WIDTH, key.length + 2));
}

/** Headings over what `progressLine` writes. */
export function progressHead(title: string, scenarios: readonly Scenario[]): string {
  const line = (first: string, textOf: (scenario: Scenario) => string): string =>
    first.padEnd(NAME_WIDTH) + scenarios.map((scenario) => cellOf(scenario, textOf(scenario))).join('');
  const unitOf = (scenario: Scenario): string =>
    costScale(scenario).label.replace('CPU ', '').replace(/\/.*/, '');
  return `${line(title, ({ key }) => key)}\n${line('', unitOf)}`;
}

/** The costs of one turn, for somebody who watches. */
export function progressLine(
  name: string,
  threads: Threads,
  scenarios: readonly Scenario[],
  samples: readonly Sample[],
): string {
  const cells = scenarios.map((scenario) => {
    const sample = samples.find(({ scenario: key }) => key === scenario.key);
    return cellOf(scenario, sample === undefined ? '' : scaled(sample.cost, costScale(scenario)));
  });
  return `${name}, ${threads}`.padEnd(NAME_WIDTH) + cells.join('');
}
