import type { Socket } from 'node:net';
import { onTestFinished, vi } from 'vitest';
import { type DaemonProcess, type DaemonStartOptions, postgresEnv, startDaemon } from './daemon.ts';
import { createDatabase, type TestDatabase } from './postgres.ts';
import { type ConnectOptions, readAll, startTcpBackend, tcpConnect, type TcpBackend } from './sockets.ts';
import { until } from './until.ts';

// Every test on an edge starts processes, which on a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 });

/** Affinity off: the next connection goes where the load is lowest, not where the last one went. */
export const NO_AFFINITY = { EDGEPROXY_BINDING_TTL_SECS: '0' };

/** No poll within a test: whatever arrives was notified. */
export const NO_POLL = { EDGEPROXY_POSTGRES_RELOAD_SECS: '3600' };

/** A row of `backends` as a test writes it; what is absent is healthy, near and roomy. */
export interface BackendRow {
  readonly id: string;
  readonly port: number;
  readonly app?: string;
  readonly region?: string;
  readonly country?: string;
  readonly wg_ip?: string;
  readonly healthy?: number;
  readonly weight?: number;
  readonly soft_limit?: number;
  readonly hard_limit?: number;
}

const noop = (): void => {};

/** A daemon that is gone when the running test ends, however it ends. */
export async function aDaemon(options: DaemonStartOptions = {}): Promise<DaemonProcess> {
  const starting = startDaemon(options);
  onTestFinished(() => starting.then((daemon) => daemon.dispose(), noop));
  return starting;
}

/** An empty database that goes away with the running test, on the shared PostgreSQL unless said otherwise. */
export async function aDatabase(serverUrl?: string): Promise<TestDatabase> {
  const creating = createDatabase(serverUrl);
  onTestFinished(() => creating.then((database) => database.drop(), noop));
  return creating;
}

/** A TCP server that goes away with the running test; half-open connections stay open for it. */
export async function aBackend(onConnection: (socket: Socket) => void): Promise<TcpBackend> {
  const backend = await startTcpBackend(onConnection, { allowHalfOpen: true });
  onTestFinished(() => backend.close());
  return backend;
}

/** A server that says its name to everyone who connects, and hangs up. */
export function aNamedBackend(name: string): Promise<TcpBackend> {
  return aBackend((socket) => socket.resume().end(name));
}

/** A server that sends back what it gets, until the client ends. */
export function anEchoBackend(): Promise<TcpBackend> {
  return aBackend((socket) => void socket.pipe(socket));
}

/** Writes rows; a row of the same id is replaced. */
export async function putBackends(
  { query }: Pick<TestDatabase, 'query'>,
  ...rows: readonly BackendRow[]
): Promise<void> {
  const full = rows.map((row) => ({
    app: 'test',
    region: 'sa',
    country: 'BR',
    wg_ip: '127.0.0.1',
    healthy: 1,
    weight: 1,
    soft_limit: 100,
    hard_limit: 150,
    deleted: 0,
    ...row,
  }));
  const columns = Object.keys(full[0]!);
  await query(
    `INSERT INTO backends (${columns.join(', ')})
     SELECT ${columns.join(', ')} FROM json_populate_recordset(NULL::backends, $1)
     ON CONFLICT (id) DO UPDATE SET ${columns.map((name) => `${name} = EXCLUDED.${name}`).join(', ')}`,
    [JSON.stringify(full)],
  );
}

/** Awaits that the daemon routes by a set of so many eligible backends, and so many that are not. */
export async function untilApplied(daemon: DaemonProcess, eligible: number, excluded = 0): Promise<void> {
  await until(
    () => {
      const last = daemon.logs.findLast(({ msg }) => msg === 'backends applied');
      return last?.['eligible'] === eligible && last['excluded'] === excluded;
    },
    { what: `a set of ${eligible} eligible and ${excluded} excluded backends` },
  );
}

/** A daemon on a database of its own that holds these rows, in force when this resolves. */
export async function anEdge(rows: readonly BackendRow[], options: DaemonStartOptions = {}) {
  const database = await aDatabase();
  const daemon = await aDaemon({ ...options, env: { ...postgresEnv(database.url), ...options.env } });
  if (rows.length > 0) await putBackends(database, ...rows);
  await untilApplied(daemon, rows.length);
  return { database, daemon };
}

/** What comes over one new connection until its end: the name of a named backend, or nothing from a refusal. */
export async function ask(port: number, options: ConnectOptions = {}): Promise<string> {
  const socket = await tcpConnect(port, '127.0.0.1', options);
  try {
    return (await readAll(socket)).toString();
  } finally {
    socket.destroy();
  }
}

/** The answers of so many connections, one after the other. */
export async function askTimes(port: number, times: number, options: ConnectOptions = {}): Promise<string[]> {
  const answers: string[] = [];
  for (let round = 0; round < times; round++) answers.push(await ask(port, options));
  return answers;
}

/** Awaits that a new connection gets this answer; nothing is the answer of a refusal. */
export async function untilAnswered(
  port: number,
  answer: string,
  options: ConnectOptions = {},
): Promise<void> {
  await until(async () => (await ask(port, options)) === answer, {
    what: answer === '' ? 'a refusal' : `an answer from ${answer}`,
  });
}

/** A connection that is cut when the running test ends, if it still lives. */
export async function aClient(port: number, options: ConnectOptions = {}): Promise<Socket> {
  const socket = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true, ...options });
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** A client that has exchanged a word with an echo backend, so that it is connected all the way. */
export async function anEchoClient(port: number, options: ConnectOptions = {}): Promise<Socket> {
  const socket = await aClient(port, options);
  await exchange(socket, 'hello');
  return socket;
}

/** Sends a word to an echo backend and awaits it back; rejects when the connection ends before that. */
export async function exchange(socket: Socket, word: string): Promise<void> {
  let echoed = '';
  const onData = (chunk: Buffer): void => void (echoed += chunk.toString());
  socket.on('data', onData);
  socket.write(word);
  try {
    await until(
      () => {
        if (socket.destroyed || socket.readableEnded) throw new Error(`ended before the echo of ${word}`);
        return echoed === word;
      },
      { what: `the echo of ${word}` },
    );
  } finally {
    socket.off('data', onData);
  }
}

/** Status and body of the metrics listener, such as of `/readyz`. */
export async function opsAnswer({ metricsPort }: Pick<DaemonProcess, 'metricsPort'>, path: string) {
  const response = await fetch(`http://127.0.0.1:${metricsPort}${path}`);
  return { status: response.status, body: (await response.text()).trim() };
}
