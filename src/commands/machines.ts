import { distance } from 'fastest-levenshtein';
import { chartOf } from '../adapters/charts/chart.ts';
import { mermaidOf } from '../adapters/charts/mermaid.ts';
import { studioJsonOf } from '../adapters/charts/studio-json.ts';
import { svgOf } from '../adapters/charts/svg.ts';
import { EdgeProxyError } from '../errors.ts';
import { MACHINES, type RegisteredMachine } from '../machines/registry.ts';

export const CHART_FORMATS = ['json', 'mermaid', 'svg'] as const;

export type ChartFormat = (typeof CHART_FORMATS)[number];

export interface MachinesOptions {
  /** The machine to print; `undefined` lists them all. */
  readonly name: string | undefined;
  /** One of `CHART_FORMATS`; Mermaid when left out. */
  readonly format: string | undefined;
}

const DEFAULT_FORMAT: ChartFormat = 'mermaid';

/** How many letters of a name may be off for it to be offered as what was meant: a third. */
const NEAR = 1 / 3;

const isFormat = (text: string): text is ChartFormat => CHART_FORMATS.some((format) => format === text);

function list(): string {
  const width = Math.max(...MACHINES.map(({ name }) => name.length));
  return MACHINES.map(({ name, description }) => `${name.padEnd(width)}  ${description}`).join('\n');
}

const plain = (name: string): string => name.toLowerCase().replaceAll('-', '');

/** How many letters the wanted name is off, the best of the whole name and of what it begins with; 0 for a part. */
function offBy(name: string, wanted: string): number {
  const [full, part] = [plain(name), plain(wanted)];
  if (full.includes(part)) return 0;
  return Math.min(distance(full, part), distance(full.slice(0, part.length), part));
}

function find(wanted: string): RegisteredMachine {
  const found = MACHINES.find(({ name }) => plain(name) === plain(wanted));
  if (found !== undefined) return found;
  const names = MACHINES.map(({ name }) => name);
  const near = names
    .filter((name) => offBy(name, wanted) <= plain(wanted).length * NEAR)
    .toSorted((a, b) => offBy(a, wanted) - offBy(b, wanted));
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : `there are ${names.join(', ')}`;
  throw new EdgeProxyError('ERR_USAGE', `no machine ${JSON.stringify(wanted)}: ${hint}`);
}

/** Prints the list of machines, or the chart of one. Fails with `ERR_USAGE` for a name or format that is not known. */
export async function machines({ name, format: asked }: MachinesOptions): Promise<string> {
  const format = asked ?? DEFAULT_FORMAT;
  if (!isFormat(format)) {
    throw new EdgeProxyError(
      'ERR_USAGE',
      `--format ${JSON.stringify(format)}: expected one of ${CHART_FORMATS.join(', ')}`,
    );
  }
  if (name === undefined) {
    if (asked === undefined) return list();
    const names = MACHINES.map((one) => one.name).join(', ');
    throw new EdgeProxyError(
      'ERR_USAGE',
      `--format ${format} prints one machine: edgeproxy machines NAME --format ${format}, where NAME is one of ${names}`,
    );
  }
  const { machine } = find(name);
  switch (format) {
    case 'json':
      return studioJsonOf(machine);
    case 'mermaid':
      return mermaidOf(chartOf(machine));
    case 'svg':
      return svgOf(chartOf(machine));
    default:
      return format satisfies never;
  }
}
