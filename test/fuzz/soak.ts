/**
 * Whether the daemon holds on to anything: short connections, bulk both ways and waves of idle connections through
 * `edgeproxy run` with either engine and every feature on, by the load generator of the benchmark, which checks the
 * bytes. While nobody is connected, descriptors, pipes and resident memory are read; they must not grow.
 *
 * Linux with a C compiler. `npm run soak -- --help` lists the options.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.ts';
import { endAllChildren } from '../bench/proxies/children.ts';
import { edgeproxyConfiguration } from '../bench/proxies/configurations.ts';
import { allowedCpus } from '../bench/proxies/cpus.ts';
import { type ClientOrder, compileLoad, type Load } from '../bench/proxies/load.ts';
import { table } from '../bench/report.ts';
import { type DaemonProcess, startDaemon } from '../support/daemon.ts';
import { until } from '../support/until.ts';
import { growthsOf, MOST_GROWTH, rowsOf, type Sample, takeSample } from './soak-samples.ts';

const CPUS = allowedCpus();
const THREADS = 2;
const MOST_MINUTES = 10;

/** Of one cycle of load; a sample follows it. */
const SHORT_MS = 4_000;
const SHORT_AT_ONCE = 32;
const BULK_STREAMS = 8;
const BULK_BYTES = 60e6;
const IDLE = 1_500;

/** Beside those that Node has itself: every stream may be on the same thread, and its pipe is kept for the next one. */
const MOST_PIPE_ENDS = 2 * THREADS * 2 * BULK_STREAMS;

/** V8 doubles the space for new objects when it likes, and keeps it: no leak, and more than the leaks that are looked for. */
const FIXED_NURSERY = '--max-semi-space-size=8';

const ENGINES = ['epoll', 'net'] as const;

const USAGE = `npm run soak -- [OPTIONS]

  --engine NAME   ${ENGINES.join(', ')}; default: epoll
  --minutes N     default 1, at most ${MOST_MINUTES}
  --help
`;

interface Options {
  readonly engine: (typeof ENGINES)[number];
  readonly minutes: number;
}

function readOptions(): Options | undefined {
  const options = {
    engine: { type: 'string', default: 'epoll' },
    minutes: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help) return undefined;
  const engine = ENGINES.find((name) => name === values.engine);
  if (engine === undefined)
    throw new Error(`--engine: expected one of ${ENGINES.join(', ')}, not ${values.engine}`);
  const minutes = Number(values.minutes);
  if (minutes > 0 && minutes <= MOST_MINUTES) return { engine, minutes };
  throw new Error(`--minutes: expected at most ${MOST_MINUTES}, not ${values.minutes}`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function runClient(load: Load, order: ClientOrder): Promise<void> {
  const client = await load.startClient(order, CPUS);
  try {
    await client.measure();
    await client.finish();
  } finally {
    await client.end();
  }
}

/** Some of everything at the same time; afterwards nobody is connected. */
async function runCycle(load: Load, daemon: DaemonProcess): Promise<void> {
  const { port } = daemon;
  const bulk = { port, streams: BULK_STREAMS, warmUp: 0, measured: BULK_BYTES };
  await Promise.all([
    runClient(load, { mode: 'short', port, streams: SHORT_AT_ONCE, warmUp: 0, measured: SHORT_MS }),
    runClient(load, { mode: 'down', ...bulk }),
    runClient(load, { mode: 'up', ...bulk }),
    runClient(load, { mode: 'idle', port, streams: 1, warmUp: 0, measured: IDLE }),
  ]);
  await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 0, {
    what: 'every connection to be over',
  });
}

async function soak({ engine, minutes }: Options, folder: string): Promise<void> {
  const load = await compileLoad(folder);
  const origin = await load.startOrigin(CPUS);
  const file = join(folder, 'edgeproxy.toml');
  // The ports are those of the environment, which go first.
  const wiring = { port: 0, metricsPort: 0, origins: origin.ports, threads: THREADS, folder } as const;
  await writeFile(file, edgeproxyConfiguration(wiring, 'on'));
  const env = {
    EDGEPROXY_ENGINE: engine,
    EDGEPROXY_THREADS: String(THREADS),
    EDGEPROXY_LOG_LEVEL: 'info',
    NODE_OPTIONS: FIXED_NURSERY,
  };
  const daemon = await startDaemon({ args: ['--config', file], env, stateDir: folder });
  try {
    const { pipeEnds } = await takeSample(daemon, 0);
    for (let warmUp = 0; warmUp < 2; warmUp++) await runCycle(load, daemon);
    judge(await takeSamples(minutes, load, daemon), pipeEnds + MOST_PIPE_ENDS);
    const errors = daemon.logs.filter(({ level }) => level === 'error');
    if (errors.length > 0) throw new Error(`the daemon has logged an error: ${JSON.stringify(errors[0])}`);
  } finally {
    await daemon.dispose();
    await origin.end();
  }
}

async function takeSamples(minutes: number, load: Load, daemon: DaemonProcess): Promise<readonly Sample[]> {
  const startMs = performance.now();
  const seconds = (): number => (performance.now() - startMs) / 1_000;
  const samples = [await takeSample(daemon, 0)];
  while (seconds() < minutes * 60) {
    await runCycle(load, daemon);
    samples.push(await takeSample(daemon, seconds()));
  }
  return samples;
}

function judge(samples: readonly Sample[], mostPipeEnds: number): void {
  print(table(rowsOf(samples)));
  const [first, last] = [samples[0]!, samples.at(-1)!];
  const gigabytes = ((last.bytes - first.bytes) / 1e9).toFixed(1);
  print(
    `\n${last.connections - first.connections} connections and ${gigabytes} GB in ${last.seconds.toFixed(0)} s; may grow by ${MOST_GROWTH.descriptors} descriptors and ${MOST_GROWTH.residentBytes / 1e6} MB, and have ${mostPipeEnds} ends of pipes`,
  );
  const growths = growthsOf(samples, mostPipeEnds);
  if (growths.length > 0) throw new Error(growths.join('; '));
}

try {
  const options = readOptions();
  if (options === undefined) process.stdout.write(USAGE);
  else {
    const folder = await mkdtemp(join(tmpdir(), 'edgeproxy-soak-'));
    try {
      await soak(options, folder);
    } finally {
      await endAllChildren();
      await rm(folder, { recursive: true, force: true });
    }
  }
} catch (error) {
  process.stderr.write(`soak: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
