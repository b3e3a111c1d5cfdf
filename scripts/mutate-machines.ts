/**
 * Breaks every machine on purpose, one mutation at a time, and sees that a test fails each time.
 *
 *     copy of the tree ─► mutation ─► vitest on the tests of the machine ─► killed | SURVIVED | BROKEN
 *
 * Works in temporary folders only. Exits with 1 when a mutation survives, when one no longer applies or keeps its
 * tests from running at all, and when the tests fail without any.
 *
 * Usage: node scripts/mutate-machines.ts [WORD…]     only machines and mutations with all these words
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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

type Verdict = 'killed' | 'killed (timeout)' | 'SURVIVED' | 'BROKEN' | 'DOES NOT APPLY';

interface Job {
  readonly machine: string;
  readonly tests: readonly string[];
  /** `undefined` for the tests as they are. */
  readonly mutation: Mutation | undefined;
}

const VITEST_CONFIG = `export default { test: {
  include: ['test/**/*.test.ts', 'examples/**/*.test.ts'], pool: 'threads', testTimeout: ${TEST_TIMEOUT_MS},
} };\n`;

function createCopy(): string {
  const folder = mkdtempSync(join(tmpdir(), 'edgeproxy-mutations-'));
  for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'vitest.mutations.mjs'), VITEST_CONFIG);
  return folder;
}

/** Process groups of tests that run. */
const running = new Set<number>();

/** Runs the tests in a copy; `undefined` when they took too long. */
function runTests(
  folder: string,
  tests: readonly string[],
): Promise<{ passed: number; failed: number } | undefined> {
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  const args = [
    'run',
    '--config',
    'vitest.mutations.mjs',
    '--reporter=json',
    `--outputFile=${report}`,
    '--bail=1',
    ...tests,
  ];
  const vitest = join(folder, 'node_modules/vitest/vitest.mjs');
  const child = spawn(process.execPath, [vitest, ...args], { cwd: folder, detached: true, stdio: 'ignore' });
  const group = child.pid!;
  running.add(group);
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      process.kill(-group, 'SIGKILL');
    }, RUN_TIMEOUT_MS);
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      running.delete(group);
      if (isLate) return resolve(undefined);
      const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8')) as {
        numPassedTests: number;
        numFailedTests: number;
      };
      return resolve({ passed: numPassedTests, failed: numFailedTests });
    });
  });
}

async function judge(folder: string, { tests, mutation }: Job): Promise<Verdict> {
  if (mutation === undefined) {
    const run = await runTests(folder, tests);
    return run !== undefined && run.failed === 0 && run.passed > 0 ? 'killed' : 'BROKEN';
  }
  const file = join(folder, mutation.file);
  const original = readFileSync(file, 'utf8');
  if (original.split(mutation.find).length !== 2) return 'DOES NOT APPLY';
  writeFileSync(
    file,
    original.replace(mutation.find, () => mutation.replace),
  );
  try {
    const run = await runTests(folder, tests);
    if (run === undefined) return 'killed (timeout)';
    if (run.failed > 0) return 'killed';
    return run.passed > 0 ? 'SURVIVED' : 'BROKEN';
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

function print(verdict: string, { machine, mutation }: Job): void {
  const what = mutation?.name ?? 'as it is: its tests pass';
  process.stdout.write(`${verdict.padEnd(17)}  ${machine.padEnd(21)}  ${what}\n`);
}

/** Takes jobs from the queue until it is empty; returns those that went wrong. */
async function work(queue: Job[], folder: string, wrong: Job[]): Promise<readonly Job[]> {
  const job = queue.shift();
  if (job === undefined) return wrong;
  const verdict = await judge(folder, job);
  const isGood = verdict.startsWith('killed');
  print(job.mutation === undefined && isGood ? 'ok' : verdict, job);
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
process.on('exit', () => {
  for (const group of running) process.kill(-group, 'SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
const wrong = (await Promise.all(folders.map((folder) => work(queue, folder, [])))).flat();
clearTimeout(watchdog);
process.stdout.write(`\n${total} runs, ${wrong.length} not as they should be\n`);
process.exitCode = wrong.length === 0 && total > 0 ? 0 : 1;
