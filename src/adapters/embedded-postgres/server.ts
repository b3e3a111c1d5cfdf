import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { programEnvironment } from './binaries.ts';
import { failure } from './failure.ts';
import type { Home } from './home.ts';
import type { LogTail } from './log-tail.ts';
import { killTagged, signalProcess, stopTagged } from './processes.ts';

/** One run of the PostgreSQL server: the postmaster and its children. */
export interface Server {
  readonly pid: number;
  isRunning(): boolean;
  /** Sends a signal to the postmaster; with `SIGKILL` every child dies too, and all are gone on return. */
  kill(signal: NodeJS.Signals): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Fast shutdown, then an immediate one, then `SIGKILL`; nothing of this run is alive on return. */
  shutdown(): Promise<void>;
}

export type LaunchResult =
  | { readonly kind: 'ready'; readonly server: Server }
  | { readonly kind: 'port_taken' };

export interface LaunchOptions {
  readonly home: Home;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly log: LogTail;
}

const START_TIMEOUT_MS = 60_000;
const FAST_SHUTDOWN_MS = 10_000;
const IMMEDIATE_SHUTDOWN_MS = 6_000;
const READY = 'database system is ready to accept connections';
const PORT_TAKEN = 'Address already in use';

/**
 * Starts the server and waits until it accepts connections.
 *
 * A taken port is a result, so that the caller may try another one; every other trouble is
 * `ERR_EMBEDDED_POSTGRES` with the end of the server's log.
 */
export async function launchServer({ home, port, settings, log }: LaunchOptions): Promise<LaunchResult> {
  const tag = `edgeproxy-${randomBytes(8).toString('hex')}`;
  const parameters = {
    ...settings,
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    cluster_name: tag,
    lc_messages: 'C',
    log_destination: 'stderr',
    logging_collector: 'off',
  };
  const args = Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(home.binaries.postgres, ['-D', home.dataDir, ...args], {
    cwd: '/',
    env: programEnvironment(home.binaries),
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...home.account,
  });

  let running = true;
  let portTaken = false;
  const started = Promise.withResolvers<void>();
  const exited = new Promise<void>((resolve) => {
    const onGone = () => {
      running = false;
      resolve();
    };
    child.once('exit', onGone);
    child.once('error', onGone);
  });
  child.once('error', started.reject);
  child.once('close', () => started.reject(new Error('it ended during its start')));
  createInterface({ input: child.stderr }).on('line', (line) => {
    log.push(line);
    if (line.includes(PORT_TAKEN)) portTaken = true;
    if (line.includes(READY)) started.resolve();
  });

  const pid = child.pid ?? 0;
  const watch = (frozen: readonly number[] = []) =>
    home.watchdog.protect([pid, ...frozen.filter((other) => other !== pid)]);
  let frozenPids: readonly number[] = [];
  if (pid !== 0) watch();

  const server: Server = {
    pid,
    isRunning: () => running,
    async kill(signal) {
      signalProcess(pid, signal);
      if (signal !== 'SIGKILL') return;
      await exited;
      await killTagged(tag);
      home.watchdog.protect([]);
    },
    async freeze() {
      signalProcess(pid, 'SIGSTOP');
      frozenPids = await stopTagged(tag);
      watch(frozenPids);
    },
    async thaw() {
      for (const frozen of frozenPids) signalProcess(frozen, 'SIGCONT');
      frozenPids = [];
      watch();
    },
    async shutdown() {
      if (running) {
        await server.thaw();
        signalProcess(pid, 'SIGINT');
        if (!(await settlesWithin(exited, FAST_SHUTDOWN_MS))) {
          signalProcess(pid, 'SIGQUIT');
          if (!(await settlesWithin(exited, IMMEDIATE_SHUTDOWN_MS))) signalProcess(pid, 'SIGKILL');
        }
        await exited;
      }
      await killTagged(tag);
      home.watchdog.protect([]);
    },
  };

  try {
    if (!(await settlesWithin(started.promise, START_TIMEOUT_MS))) {
      throw new Error(`it was not ready after ${START_TIMEOUT_MS / 1000} s`);
    }
    return { kind: 'ready', server };
  } catch (cause) {
    if (pid !== 0) await server.shutdown();
    if (portTaken) return { kind: 'port_taken' };
    throw failure('the embedded PostgreSQL does not start', log, cause);
  }
}

async function settlesWithin(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  const timeout = Promise.withResolvers<false>();
  const timer = setTimeout(() => timeout.resolve(false), timeoutMs);
  try {
    return await Promise.race([promise.then(() => true), timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
