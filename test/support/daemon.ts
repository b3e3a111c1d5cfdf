import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DaemonAddresses } from '../../src/daemon.ts';
import { once } from './sockets.ts';
import { until } from './until.ts';

const CLI = new URL('../../src/cli.ts', import.meta.url).pathname;

/** Where Node keeps what it has compiled: a third off the start of every process. */
const NODE_COMPILE_CACHE = join(tmpdir(), 'node-compile-cache');

/** One line of the daemon's log. */
export interface LogLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly time: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A command of edgeproxy in a process of its own. */
export interface CliProcess {
  readonly child: ChildProcess;
  /** JSON lines of standard output so far. */
  readonly logs: readonly LogLine[];
  stdout(): string;
  stderr(): string;
  /** Resolves when the process has ended by itself or by a signal. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

export interface DaemonProcess extends CliProcess {
  readonly port: number;
  readonly metricsPort: number;
  readonly stateDir: string;
  /** Awaits a log line with this message, from `from` (an index into `logs`) on. */
  log(msg: string, from?: number): Promise<LogLine>;
  /** The value of a series as the metrics listener exposes it, such as `edgeproxy_connections_total`. */
  metric(series: string): Promise<number | undefined>;
  /** Ends the process, forcibly when it is still there, and removes its state. */
  dispose(): Promise<void>;
}

export type Env = Readonly<Record<string, string>>;

/**
 * Runs `edgeproxy ARGS` with nothing of our own environment but `PATH` and `HOME`.
 *
 * @param under a command that runs it, in its own process
 */
export function spawnCli(args: readonly string[], env: Env = {}, under: readonly string[] = []): CliProcess {
  const { PATH = '', HOME = '' } = process.env;
  const [command, ...words] = [...under, process.execPath, CLI, ...args];
  const child = spawn(command!, words, {
    env: { PATH, HOME, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const logs: LogLine[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{"level"')) logs.push(JSON.parse(line) as LogLine);
  });
  let [output, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const exited = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  return { child, logs, stdout: () => output, stderr: () => errors, exited };
}

/** Runs `edgeproxy ARGS` to its end. */
export async function runCli(args: readonly string[], env: Env = {}) {
  const cli = spawnCli(args, env);
  const { code } = await cli.exited;
  return { code, stdout: cli.stdout(), stderr: cli.stderr() };
}

export interface DaemonStartOptions {
  readonly env?: Env;
  /** Default: a fresh private folder, removed by `dispose()`. */
  readonly stateDir?: string;
  readonly args?: readonly string[];
  /** A command that runs it, in its own process. */
  readonly under?: readonly string[];
  /** How long the start may take; default 20 seconds. */
  readonly startTimeoutMs?: number;
}

/** Starts `edgeproxy run` on free ports of the loopback address, metrics on; resolves when it accepts clients. */
export async function startDaemon(options: DaemonStartOptions = {}): Promise<DaemonProcess> {
  const { env = {}, args = [] } = options;
  const stateDir = options.stateDir ?? (await mkdtemp(join(tmpdir(), 'edgeproxy-state-')));
  const ownEnv = {
    EDGEPROXY_LISTEN_ADDR: '127.0.0.1:0',
    EDGEPROXY_METRICS_ENABLED: 'true',
    EDGEPROXY_METRICS_LISTEN_ADDR: '127.0.0.1:0',
    EDGEPROXY_STATE_DIR: stateDir,
    EDGEPROXY_LOG_LEVEL: 'debug',
    ...env,
  };
  const cli = spawnCli(['run', ...args], ownEnv, options.under);
  let isOver = false;
  void cli.exited.then(() => (isOver = true));
  const log = (msg: string, from = 0, timeoutMs = 20_000): Promise<LogLine> =>
    until(
      () => {
        const line = cli.logs.slice(from).find((candidate) => candidate.msg === msg);
        if (line === undefined && isOver)
          throw new Error(`the daemon ended before "${msg}": ${cli.stderr()}`);
        return line;
      },
      { what: `the log line "${msg}"`, timeoutMs },
    );
  const dispose = async (): Promise<void> => {
    if (!isOver) cli.child.kill('SIGKILL');
    await cli.exited;
    if (options.stateDir === undefined) await rm(stateDir, { recursive: true, force: true });
  };
  const started = await log('accepting clients', 0, options.startTimeoutMs).catch(async (error: unknown) => {
    await dispose();
    throw error;
  });
  const { proxy, metrics } = started as unknown as DaemonAddresses;
  const metricsPort = metrics?.port ?? 0;
  return {
    ...cli,
    log,
    stateDir,
    port: proxy.port,
    metricsPort,
    async metric(series) {
      const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
      return line === undefined ? undefined : Number(line.slice(series.length + 1));
    },
    dispose,
  };
}

/** The settings of a daemon that takes its backends from this database. */
export function postgresEnv(url: string): Env {
  return { EDGEPROXY_POSTGRES_ENABLED: 'true', EDGEPROXY_POSTGRES_URL: url };
}
