/**
 * HAProxy and nginx beside edgeproxy: CPU and rate of bulk, short and kept connections, and of TLS, memory of idle
 * connections, start.
 *
 * Every round starts each proxy anew and takes it through all scenarios; the order of the proxies rotates, so that a
 * change of the machine's mood meets all of them. Needs Linux, two CPUs, and a few packages of Debian, which it names.
 * `npm run bench -- --help` lists the options. Prints tables, and with `--write` rewrites docs/benchmarks.md.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../src/errors.ts';
import { type Certificates, makeCertificates } from './proxies/certificates.ts';
import { chaptersOf } from './proxies/chapters.ts';
import { endAllChildren } from './proxies/children.ts';
import type { Contestant, Threads } from './proxies/contestants.ts';
import { allowedCpus, moveToCpu, planCpus } from './proxies/cpus.ts';
import { progressHead, progressLine, rowsOf } from './proxies/figures.ts';
import { compileLoad, type Load } from './proxies/load.ts';
import { checkPrograms, describeMachine } from './proxies/machine.ts';
import { benchmarksPage } from './proxies/markdown.ts';
import { type Sample, takeTurn } from './proxies/measure.ts';
import { METHOD } from './proxies/method.ts';
import { type Options, readOptions, USAGE } from './proxies/options.ts';
import { type Section, summarize } from './proxies/results.ts';
import { type Group, groupsOf } from './proxies/scenarios.ts';
import { table } from './report.ts';

/** Before this process is moved to the last one. */
const CPUS = allowedCpus();
const PAGE = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url));

interface Entry {
  readonly contestant: Contestant;
  readonly threads: Threads;
  /** A proxy is started for each of them. */
  readonly groups: readonly Group[];
}

/** What a round is taken with. */
interface Equipment {
  readonly load: Load;
  readonly certificates: Certificates;
  readonly folder: string;
}

function print(text = ''): void {
  process.stdout.write(`${text}\n`);
}

function entriesOf({ contestants, threads, scenarios }: Options): readonly Entry[] {
  return threads
    .flatMap((count) =>
      contestants
        .filter((contestant) => contestant.threads.includes(count))
        .map((contestant) => {
          const own = scenarios.filter(({ key }) => contestant.scenarios?.test(key) ?? true);
          return { contestant, threads: count, groups: groupsOf(own, count) };
        }),
    )
    .filter(({ groups }) => groups.length > 0);
}

async function takeRound(
  round: number,
  entries: readonly Entry[],
  { scenarios, effort }: Options,
  { load, certificates, folder }: Equipment,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (const turn of entries.keys()) {
    const { contestant, threads, groups } = entries[(turn + round) % entries.length]!;
    const taken: Sample[] = [];
    for (const { serverKey, scenarios: own } of groups) {
      const ofGroup = await takeTurn({
        contestant,
        threads,
        scenarios: own,
        tls: serverKey && { serverKey, files: certificates[serverKey] },
        effort,
        cpus: planCpus(threads, CPUS),
        load,
        folder: join(folder, `${round}-${turn}-${serverKey ?? 'plain'}`),
      });
      taken.push(...ofGroup);
    }
    print(progressLine(contestant.name, threads, scenarios, taken));
    samples.push(...taken);
  }
  return samples;
}

function printSections(all: readonly Section[]): void {
  for (const { title, overviews, sections } of chaptersOf(all)) {
    const tables = [
      ...sections.map((section) => table(rowsOf(section))),
      ...overviews.map((overview) => `${overview.title}\n${table(overview.rows)}`),
    ];
    print([`\n${title}`, ...tables, ''].join('\n\n'));
  }
}

async function bench(options: Options, folder: string): Promise<void> {
  await checkPrograms();
  const entries = entriesOf(options);
  if (entries.length === 0) throw new Error('nobody is left to take part');
  const facts = await describeMachine();
  for (const [name, value] of facts) print(`${name}: ${value}`);
  const [load, certificates] = [await compileLoad(folder), await makeCertificates(folder)];
  moveToCpu(CPUS.at(-1)!);
  const { rounds } = options.effort;
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    print(`\n${progressHead(`round ${round + 1} of ${rounds}, CPU a unit`, options.scenarios)}`);
    samples.push(...(await takeRound(round, entries, options, { load, certificates, folder })));
  }
  const sections = summarize(samples);
  printSections(sections);
  for (const line of METHOD) print(`- ${line}`);
  if (!options.write) return;
  const date = new Date().toISOString().slice(0, 10);
  await writeFile(PAGE, benchmarksPage({ facts, command: options.command, rounds, date, sections }));
  print('\nwritten: docs/benchmarks.md');
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) return print(USAGE.trimEnd());
  if (CPUS.length < 2) throw new Error('needs two CPUs: one for the proxies, one for the load');
  const folder = await mkdtemp(join(tmpdir(), 'edgeproxy-bench-'));
  try {
    await bench(options, folder);
  } finally {
    await endAllChildren();
    await rm(folder, { recursive: true, force: true });
  }
}

let interruption: NodeJS.Signals | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interruption = signal;
    // Whatever is awaited at the moment fails by this.
    void endAllChildren();
  });
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${interruption ?? messageOf(error)}\n`);
  process.exitCode = 1;
}
