import { parseArgs } from 'node:util';
import { type Contestant, CONTESTANTS, type Threads } from './contestants.ts';
import { type Effort, FULL, QUICK, type Scenario, SCENARIOS } from './scenarios.ts';

export interface Options {
  readonly contestants: readonly Contestant[];
  readonly scenarios: readonly Scenario[];
  readonly threads: readonly Threads[];
  readonly effort: Effort;
  readonly write: boolean;
  /** As one would type it again. */
  readonly command: string;
}

export const USAGE = `npm run bench -- [OPTIONS]

  --only NAMES      contestants: ${CONTESTANTS.map(({ key }) => key).join(', ')}
  --scenario NAMES  ${SCENARIOS.map(({ key }) => key).join(', ')}
  --threads NAMES   1, 2
  --rounds N        default ${FULL.rounds}, with --quick ${QUICK.rounds}
  --quick           a look, not a measurement
  --write           rewrite docs/benchmarks.md
  --help
`;

/** Reads the command line; `undefined` when it asks for help. Throws what is wrong with it. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      scenario: { type: 'string' },
      threads: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const effort = values.quick ? QUICK : FULL;
  const rounds = Number(values.rounds ?? effort.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: expected a number, not ${values.rounds}`);
  const standard = CONTESTANTS.filter(({ isOptional }) => isOptional !== true);
  return {
    contestants:
      values.only === undefined ? standard : named('--only', values.only, CONTESTANTS, ({ key }) => key),
    scenarios:
      values.scenario === undefined
        ? SCENARIOS
        : named('--scenario', values.scenario, SCENARIOS, ({ key }) => key),
    threads: named<Threads>('--threads', values.threads ?? '1,2', [1, 2], String),
    effort: { ...effort, rounds },
    write: values.write,
    command: ['npm run bench', ...(args.length === 0 ? [] : ['--', ...args])].join(' '),
  };
}

/** Those of `all` that the text names, in the order of `all`. */
function named<T>(option: string, text: string, all: readonly T[], keyOf: (item: T) => string): readonly T[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !all.some((item) => keyOf(item) === name));
  if (unknown !== undefined) {
    throw new Error(`${option}: ${unknown} is none of ${all.map(keyOf).join(', ')}`);
  }
  return all.filter((item) => names.includes(keyOf(item)));
}
