/**
 * Breaks every machine on purpose, one mutation at a time, and sees that a test fails each time.
 *
 *     copy of the tree ─► mutation ─► vitest on the tests of the machine ─► killed | SURVIVED | BROKEN
 *
 * Works in temporary folders only. Exits with 1 when a mutation survives, when one no longer applies or keeps its
 * tests from running at all, and when the tests fail without any. What the tests of such a one had to say is printed.
 *
 * Usage: node scripts/mutate-machines.ts [WORD…]     only machines and mutations with all these words
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendMutations } from './mutations/backend.ts';
import { circuitBreakerMutations } from './mutations/circuit-breaker.ts';
import { gatesMutations } from './mutations/gates.ts';
import type { Mutation } from './mutations/group.ts';
import { healthCheckerMutations } from './mutations/health-checker.ts';
import { lifecycleMutations } from './mutations/lifecycle.ts';
import { postgresSubscriptionMutations } from './mutations/postgres-subscription.ts';

const GROUPS = [
  lifecycleMutations,
  backendMutations,
  circuitBreakerMutations,
  gatesMutations,
  healthCheckerMutations,
  postgresSubscriptionMutations,
];

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COPIED = ['src', 'test', 'examples', 'package.json', 'tsconfig.json'];
/** A mutation may make a machine spin; that is noticed, too. */
const RUN_TIMEOUT_MS = 60_000;
const TEST_TIMEOUT_MS = 20_000;
const TOTAL_TIMEOUT_MS = 20 * 60_000;

type Verdict =
  | 'ok'
  | 'killed'
  | 'killed (timeout)'
  | 'killed (crash)'
  | 'SURVIVED'
  | 'BROKEN'
  | 'DOES NOT APPLY';

interface TestRun {
  readonly exitCode: number | null;
  readonly isLate: boolean;
  readonly passed: number;
  readonly failed: number;
  /** What it has printed. */
  readonly output: string;
}

interface Judgement {
  readonly verdict: Verdict;
  /** Why, when it is not as it should be. */
  readonly output: string;
}

interface Job {
  readonly machine: string;
  readonly tests: readonly string[];
  /** `undefined` for the tests as they are. */
  readonly mutation: Mutation | undefined;
}

/**
 * Runs the files one by one and in the order given, whatever a cache says of runs before: examples kill at once what
 * makes a property spin until there is no memory left, and two files that fail in one moment lose their results.
 */
const VITEST_CONFIG = `import { BaseSequencer } from 'vitest/node';

const rankOf = ({ moduleId }) => process.argv.findIndex((argument) => moduleId.endsWith(argument));

class AsGiven extends BaseSequencer {
  sort(files) {
    return files.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}

export default {
  cacheDir: '.vite',
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
    pool: 'threads',
    maxWorkers: 1,
    testTimeout: ${TEST_TIMEOUT_MS},
    sequence: { sequencer: AsGiven },
  },
};
`;

function createCopy(): string {
  const folder = mkdtempSync(join(tmpdir(), 'edgeproxy-mutations-'));
  for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'vitest.mutations.mjs'), VITEST_CONFIG);
  return folder;
}

/** Process groups of tests that run. */
const running = new Set<number>();

/** Numbers of tests that passed and failed; none when the run came to no report. */
function countsIn(report: string): { readonly passed: number; readonly failed: number } {
  if (!existsSync(report)) return { passed: 0, failed: 0 };
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8')) as {
    numPassedTests: number;
    numFailedTests: number;
  };
  return { passed: numPassedTests, failed: numFailedTests };
}

/** Runs the tests in a copy, until the first one fails. */
function runTests(folder: string, tests: readonly string[]): Promise<TestRun> {
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  const args = [
    'run',
    '--config',
    'vitest.mutations.mjs',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    '--bail=1',
    ...tests,
  ];
  const vitest = join(folder, 'node_modules/vitest/vitest.mjs');
  const child = spawn(process.execPath, [vitest, ...args], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const group = child.pid!;
  running.add(group);
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      process.kill(-group, 'SIGKILL');
    }, RUN_TIMEOUT_MS);
    child.on('error', reject);
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      running.delete(group);
      resolve({ exitCode, isLate, ...countsIn(report), output });
    });
  });
}

/** How Vitest ends when a test takes all memory, without a report. */
const WORKER_CRASH = 'Worker exited unexpectedly';

function verdictOf({ exitCode, isLate, passed, failed, output }: TestRun, isMutated: boolean): Verdict {
  const hasPassed = !isLate && exitCode === 0 && failed === 0 && passed > 0;
  if (!isMutated) return hasPassed ? 'ok' : 'BROKEN';
  if (isLate) return 'killed (timeout)';
  if (failed > 0) return 'killed';
  if (output.includes(WORKER_CRASH)) return 'killed (crash)';
  return hasPassed ? 'SURVIVED' : 'BROKEN';
}

async function judge(folder: string, { tests, mutation }: Job): Promise<Judgement> {
  const test = async (isMutated: boolean): Promise<Judgement> => {
    const run = await runTests(folder, tests);
    const { exitCode, isLate, output } = run;
    const end = isLate ? `ended after ${RUN_TIMEOUT_MS} ms` : `exit code ${exitCode}`;
    return { verdict: verdictOf(run, isMutated), output: `${output}\n${end}` };
  };
  if (mutation === undefined) return test(false);
  const file = join(folder, mutation.file);
  const original = readFileSync(file, 'utf8');
  const times = original.split(mutation.find).length - 1;
  if (times !== 1) return { verdict: 'DOES NOT APPLY', output: `its text is there ${times} times` };
  writeFileSync(
    file,
    original.replace(mutation.find, () => mutation.replace),
  );
  try {
    return await test(true);
  } finally {
    writeFileSync(file, original);
  }
}

function jobs(words: readonly string[]): readonly Job[] {
  const matches = (text: string): boolean =>
    words.every((word) => text.toLowerCase().includes(word.toLowerCase()));
  return GROUPS.flatMap(({ machine, tests, mutations }) => {
    const chosen = mutations.filter(({ name }) => matches(`${machine} ${name}`));
    return chosen.length === 0
      ? []
      : [undefined, ...chosen].map((mutation) => ({ machine, tests, mutation }));
  });
}

function print(verdict: Verdict, { machine, mutation }: Job): void {
  const what = mutation?.name ?? 'as it is: its tests pass';
  process.stdout.write(`${verdict.padEnd(17)}  ${machine.padEnd(21)}  ${what}\n`);
}

/** Takes jobs from the queue until it is empty; returns those that went wrong. */
async function work(queue: Job[], folder: string, wrong: Job[]): Promise<readonly Job[]> {
  const job = queue.shift();
  if (job === undefined) return wrong;
  const { verdict, output } = await judge(folder, job);
  const isGood = verdict === 'ok' || verdict.startsWith('killed');
  print(verdict, job);
  if (!isGood) process.stdout.write(`${output.trim().replaceAll(/^/gm, '  | ')}\n`);
  return work(queue, folder, isGood ? wrong : [...wrong, job]);
}

const queue = [...jobs(process.argv.slice(2))];
const total = queue.length;
const folders = Array.from({ length: Math.max(1, Math.min(8, availableParallelism())) }, createCopy);
const watchdog = setTimeout(() => {
  process.stdout.write('took too long\n');
  process.exit(1);
}, TOTAL_TIMEOUT_MS);
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
process.on('exit', () => {
  for (const group of running) process.kill(-group, 'SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
const wrong = (await Promise.all(folders.map((folder) => work(queue, folder, [])))).flat();
clearTimeout(watchdog);
process.stdout.write(`\n${total} runs, ${wrong.length} not as they should be\n`);
process.exitCode = wrong.length === 0 && total > 0 ? 0 : 1;
