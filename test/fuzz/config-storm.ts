import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { messageOf } from '../../src/errors.ts';
import { type DaemonProcess, type Env, type LogLine, postgresEnv, startDaemon } from '../support/daemon.ts';
import { once, startTcpBackend, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

export interface StormOptions {
  /** An empty database. */
  readonly databaseUrl: string;
  readonly swaps: number;
  readonly clients: number;
  /** Over which the swaps are spread; 0 for one right after the other. */
  readonly seconds: number;
  readonly env?: Env;
}

export interface StormReport {
  /** Answers that clients have had. */
  readonly answers: number;
  /** Connections that they have made for them. */
  readonly connections: number;
  /** What went wrong for clients, a text each. */
  readonly failures: readonly string[];
  /** From the rename or the commit until it was in force, for each swap of a source. */
  readonly takenMs: Readonly<Record<Source, readonly number[]>>;
  /** The sources of all changes that the daemon has told of, in their order. */
  readonly told: readonly unknown[];
  /** Refusals of clients and of configurations, and error lines of the daemon. */
  readonly troubles: readonly string[];
}

type Source = 'file' | 'sql';

/** Settings that mean nothing to a client who is well served; every second one is that of the file. */
const KEYS = [
  'health_check.interval_secs',
  'circuit_breaker.failure_threshold',
  'rate_limit.max_requests',
  'connect_timeout_secs',
  'drain_timeout_secs',
  'binding.ttl_secs',
] as const;

/** Words that a client of the restless half says over one connection. */
const FEW_WORDS = 10;

/** Between two words. */
const PAUSE_MS = 5;

const PUT_SETTINGS = `
INSERT INTO edgeproxy.settings (key, value) SELECT unnest($1::text[]), $2
ON CONFLICT (key, region, node) DO UPDATE SET value = EXCLUDED.value`;

const PUT_BACKEND = `
INSERT INTO backends (id, app, region, country, wg_ip, port, healthy, weight, soft_limit, hard_limit, deleted)
VALUES ('a', 'storm', 'sa', 'BR', '127.0.0.1', $1, 1, 1, 1000, 1000, 0)`;

/**
 * Clients at work while the file and the settings in SQL of a daemon change by turns, each change once the one before
 * is in force: half of the clients keep their connection, the others make a new one over and over.
 */
export async function storm(options: StormOptions): Promise<StormReport> {
  const { databaseUrl, env } = options;
  const folder = await mkdtemp(join(tmpdir(), 'edgeproxy-storm-'));
  const path = join(folder, 'edgeproxy.toml');
  const backend = await startTcpBackend((socket) => void socket.pipe(socket), { allowHalfOpen: true });
  const session = new Client({ connectionString: databaseUrl });
  let daemon: DaemonProcess | undefined;
  try {
    await writeFile(path, '');
    await session.connect();
    daemon = await startDaemon({
      env: {
        ...postgresEnv(databaseUrl),
        // What is seen was notified or hinted at.
        EDGEPROXY_POSTGRES_RELOAD_SECS: '3600',
        EDGEPROXY_CONFIG: path,
        EDGEPROXY_CONFIG_WATCH_ENABLED: 'true',
        EDGEPROXY_CONFIG_WATCH_INTERVAL_SECS: '3600',
        EDGEPROXY_LOG_LEVEL: 'info',
        ...env,
      },
    });
    await daemon.log('table of settings initialized');
    const applied = daemon.logs.length;
    await session.query(PUT_BACKEND, [backend.port]);
    await daemon.log('backends applied', applied);
    return await swap(options, { daemon, session, path });
  } finally {
    await daemon?.dispose();
    await session.end();
    await backend.close();
    await rm(folder, { recursive: true });
  }
}

interface Parts {
  readonly daemon: DaemonProcess;
  readonly session: Client;
  readonly path: string;
}

async function swap(
  { swaps, clients, seconds }: StormOptions,
  { daemon, session, path }: Parts,
): Promise<StormReport> {
  const crowd = new Crowd(daemon.port, clients);
  const takenMs: Record<Source, number[]> = { file: [], sql: [] };
  const gapMs = (seconds * 1000) / swaps;
  const beganMs = performance.now();
  await until(() => crowd.isComplete, { what: 'all clients to be served' });
  for (let count = 0; count < swaps; count++) {
    await delay(Math.max(0, beganMs + count * gapMs - performance.now()));
    const source = count % 2 === 0 ? 'file' : 'sql';
    const value = 1_000 + count;
    // The two set different keys, so that none hides the other.
    const keys = KEYS.filter((_, index) => index % 2 === count % 2);
    if (source === 'file') await writeFile(`${path}.new`, keys.map((key) => `${key} = ${value}\n`).join(''));
    const startedMs = Date.now();
    if (source === 'file') await rename(`${path}.new`, path);
    else await session.query(PUT_SETTINGS, [keys, JSON.stringify(value)]);
    const line = await until(() => appliedOf(daemon)[count], { what: `swap ${count}` });
    takenMs[source].push(Date.parse(line.time) - startedMs);
  }
  await delay(Math.max(0, beganMs + seconds * 1000 - performance.now()));
  await crowd.end();
  const { answers, connections, failures } = crowd;
  return {
    answers,
    connections,
    failures,
    takenMs,
    told: appliedOf(daemon).map((line) => line['source']),
    troubles: await troublesOf(daemon),
  };
}

const appliedOf = ({ logs }: DaemonProcess): readonly LogLine[] =>
  logs.filter(({ msg }) => msg === 'configuration changed');

async function troublesOf({ logs, metricsPort }: DaemonProcess): Promise<readonly string[]> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const refusals = text
    .split('\n')
    .filter((line) =>
      /^edgeproxy_(connections_refused_total|config_reloads_total\{result="refused")/.test(line),
    )
    .filter((line) => !line.endsWith(' 0'));
  return [...refusals, ...logs.filter(({ level }) => level === 'error').map((line) => JSON.stringify(line))];
}

/** Clients of an echo backend who say words until they are told to end. */
class Crowd {
  answers = 0;
  connections = 0;
  readonly failures: string[] = [];
  readonly #port: number;
  readonly #clients: number;
  readonly #over = new AbortController();
  readonly #served = new Set<number>();
  readonly #talks: Promise<unknown>;

  constructor(port: number, clients: number) {
    this.#port = port;
    this.#clients = clients;
    this.#talks = Promise.all(Array.from({ length: clients }, (_, index) => this.#live(index)));
  }

  get isComplete(): boolean {
    return this.#served.size === this.#clients;
  }

  /** Resolves when each has had its last answer. */
  async end(): Promise<void> {
    this.#over.abort();
    await this.#talks;
  }

  async #live(index: number): Promise<void> {
    const most = index % 2 === 0 ? Infinity : FEW_WORDS;
    while (!this.#over.signal.aborted) {
      try {
        await this.#talk(index, most);
      } catch (error) {
        this.failures.push(`client ${index}: ${messageOf(error)}`);
        await delay(PAUSE_MS);
      }
    }
  }

  async #talk(index: number, most: number): Promise<void> {
    const socket = await tcpConnect(this.#port);
    this.connections++;
    try {
      for (let word = 0; word < most && !this.#over.signal.aborted; word++) {
        await exchange(socket, `${index}:${word}\n`);
        this.answers++;
        this.#served.add(index);
        await delay(PAUSE_MS);
      }
      const ended = once(socket, 'close');
      socket.end();
      await ended;
    } finally {
      socket.destroy();
    }
  }
}

/** Says a word and awaits it back; rejects when the connection ends before that, or another word comes. */
function exchange(socket: Socket, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let echoed = '';
    const finish = (error?: Error): void => {
      socket.off('data', onData).off('close', onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      echoed += chunk.toString();
      if (echoed.length >= word.length)
        finish(
          echoed === word
            ? undefined
            : new Error(`${JSON.stringify(echoed)} came for ${JSON.stringify(word)}`),
        );
    };
    const onClose = (): void => finish(socket.errored ?? new Error('the connection ended'));
    if (socket.destroyed) return onClose();
    socket.on('data', onData).once('close', onClose);
    socket.write(word);
  });
}
