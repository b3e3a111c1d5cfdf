/**
 * Configuration that changes under clients: 64 of them talk for a minute while the file and the settings in SQL of
 * `edgeproxy run` change 200 times. Fails when a client was not served, a change was not taken over once, or one took
 * longer than its bound. `npm run storm -- --help` lists the options.
 */
import { parseArgs } from 'node:util';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/cluster.ts';
import { messageOf } from '../../src/errors.ts';
import { quantileOf, table } from '../bench/report.ts';
import { storm, type StormOptions, type StormReport } from './config-storm.ts';

const MOST_SECONDS = 600;

/** From a rename or a commit until the change is in force. */
const BOUND_MS = 100;

const ENGINES = ['epoll', 'net'] as const;

const USAGE = `npm run storm -- [OPTIONS]

  --seconds N     default 60, at most ${MOST_SECONDS}; 0: each change as soon as the one before is in force
  --swaps N       default 200
  --clients N     default 64
  --engine NAME   ${ENGINES.join(', ')}; default: epoll
  --help
`;

function readOptions(): Omit<StormOptions, 'databaseUrl'> | undefined {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      swaps: { type: 'string', default: '200' },
      clients: { type: 'string', default: '64' },
      engine: { type: 'string', default: 'epoll' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  if (!ENGINES.some((name) => name === values.engine))
    throw new Error(`--engine: expected one of ${ENGINES.join(', ')}, not ${values.engine}`);
  const [seconds, swaps, clients] = (['seconds', 'swaps', 'clients'] as const).map((name) => {
    const number = Number(values[name]);
    if (Number.isInteger(number) && number >= (name === 'seconds' ? 0 : 1)) return number;
    throw new Error(`--${name}: expected a whole number, not ${values[name]}`);
  }) as [number, number, number];
  if (seconds > MOST_SECONDS) throw new Error(`--seconds: expected at most ${MOST_SECONDS}, not ${seconds}`);
  return { seconds, swaps, clients, env: { EDGEPROXY_ENGINE: values.engine } };
}

function judge(
  { answers, connections, failures, takenMs, told, troubles }: StormReport,
  swaps: number,
): void {
  const rows = Object.entries(takenMs).map(([source, all]) => {
    const at = (quantile: number): string => quantileOf(all, quantile).toFixed(0);
    return [`${source} → in force, ms`, String(all.length), at(0.5), at(0.99), at(1)];
  });
  process.stdout.write(`${table([['', 'changes', 'p50', 'p99', 'most'], ...rows])}\n`);
  process.stdout.write(
    `${answers} answers over ${connections} connections, ${failures.length} requests failed\n`,
  );
  const late = Object.values(takenMs)
    .flat()
    .filter((ms) => ms > BOUND_MS);
  const problems = [
    ...failures.slice(0, 10),
    ...troubles,
    ...(told.length === swaps ? [] : [`${told.length} changes were told, ${swaps} were made`]),
    ...(late.length === 0 ? [] : [`${late.length} changes took longer than ${BOUND_MS} ms`]),
  ];
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

try {
  const options = readOptions();
  if (options === undefined) process.stdout.write(USAGE);
  else {
    const postgres = await startEmbeddedPostgres();
    try {
      judge(await storm({ ...options, databaseUrl: postgres.url }), options.swaps);
    } finally {
      await postgres.stop();
    }
  }
} catch (error) {
  process.stderr.write(`storm: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
