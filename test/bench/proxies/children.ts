import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { descendantsOf, isAlive } from '../../support/process-tree.ts';
import { once } from '../../support/sockets.ts';

const END_MS = 3_000;
const STDERR_LIMIT = 4_000;

/** A process of the benchmark, with its standard output line by line. */
export interface Child {
  readonly pid: number;
  /** The next line of standard output; rejects with the standard error when the process ends before. */
  line(): Promise<string>;
  write(text: string): void;
  /** Rejects when the process ends by itself; never resolves. */
  readonly failed: Promise<never>;
  /** Closes standard input and awaits the end; rejects when the exit status is not 0. */
  finish(): Promise<void>;
  /** Ends the process with all its descendants. */
  end(): Promise<void>;
}

export interface ChildOptions {
  /** The only CPUs that it may run on. */
  readonly cpus: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
  /** Passes standard error on at once, for a process whose end others may notice and report before it does. */
  readonly showsErrors?: true;
}

const living = new Set<Child>();
let isStopping = false;

/** Starts a program; its environment is `PATH`, `HOME` and what is given. */
export function startChild(command: readonly string[], { cpus, env = {}, showsErrors }: ChildOptions): Child {
  if (isStopping) throw new Error('the benchmark is being stopped');
  const { PATH = '', HOME = '' } = process.env;
  const program = spawn('taskset', ['-c', cpus.join(','), ...command], { env: { PATH, HOME, ...env } });
  // Writing to a process that has ended is reported by its exit status.
  program.stdin.on('error', () => {});
  let errors = '';
  program.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (showsErrors === true) process.stderr.write(text);
    errors = (errors + text).slice(-STDERR_LIMIT);
  });
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const exited = once(program, 'close').then(([code, signal]) => {
    living.delete(child);
    return code ?? signal;
  });
  const failure = async (): Promise<Error> =>
    new Error(`${command.slice(0, 3).join(' ')} ended with ${String(await exited)}: ${errors.trim()}`);
  const failed = exited.then(async () => Promise.reject(await failure()));
  // Not everybody asks.
  failed.catch(() => {});
  const child: Child = {
    failed,
    pid: program.pid ?? 0,
    async line() {
      const next = await lines.next();
      if (next.done === true) throw await failure();
      return next.value;
    },
    write: (text) => void program.stdin.write(text),
    async finish() {
      program.stdin.end();
      if ((await exited) !== 0) throw await failure();
    },
    end: () => endTree(program, exited),
  };
  living.add(child);
  return child;
}

async function endTree(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const descendants = await descendantsOf(child.pid);
  child.kill('SIGTERM');
  const timer = new AbortController();
  const isLate = await Promise.race([
    exited.then(() => false),
    delay(END_MS, true, { signal: timer.signal }),
  ]);
  timer.abort();
  if (!isLate) return;
  for (const pid of descendants.filter(isAlive)) process.kill(pid, 'SIGKILL');
  child.kill('SIGKILL');
  await exited;
}

/** Ends whatever still runs, and lets nothing more start. */
export async function endAllChildren(): Promise<void> {
  isStopping = true;
  await Promise.all([...living].map((child) => child.end()));
}
