/**
 * What a busy main thread costs the clients: sets of 10,000 rows and scrapes of their metrics, one after the other
 * without a pause, beside connections that come 200 a second.
 *
 * Proxy, backend and clients are processes of their own. Prints the time from connect to answer for both engines, idle
 * and busy; fails when the epoll engine lets one in a hundred clients wait for 25 ms or more while its main thread
 * works.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { once, readAll, tcpConnect } from '../support/sockets.ts';
import { quantileOf, table } from './report.ts';

const HOST = new URL('busy-main/host-process.ts', import.meta.url);
/** The portable engine stands still while its main thread works: few clients, or they would pile up for minutes. */
const CONNECTIONS = { epoll: 2_000, net: 100 } as const;
const WARM_UP = 500;
const GAP_MS = 5;
const LIMIT_MS = 25;
const BACKEND = `
  require('node:net').createServer((socket) => socket.on('error', () => {}).end('answer'))
    .listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, function () { console.log(this.address().port); });`;

/** Infinity for a client who was turned away. */
async function connectMs(port: number): Promise<number> {
  const startedMs = performance.now();
  const client = await tcpConnect(port);
  const answer = await readAll(client).catch(() => '');
  return answer.length === 0 ? Infinity : performance.now() - startedMs;
}

/** Clients that come evenly, however long those before them take. */
async function latencies(port: number, connections: number): Promise<readonly number[]> {
  const running: Promise<number>[] = [];
  const startedMs = performance.now();
  while (running.length < connections) {
    running.push(connectMs(port));
    await delay(Math.max(0, startedMs + running.length * GAP_MS - performance.now()));
  }
  return Promise.all(running);
}

const children: ChildProcess[] = [];
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const told = async <T>(host: ChildProcess): Promise<T> => (await once(host, 'message'))[0] as T;

async function measure(engine: keyof typeof CONNECTIONS, backendPort: string) {
  const host = fork(HOST, [engine, backendPort]);
  children.push(host);
  const connections = CONNECTIONS[engine];
  try {
    const { port } = await told<{ readonly port: number }>(host);
    await latencies(port, WARM_UP);
    const idle = await latencies(port, connections);
    host.send('busy');
    const startedMs = performance.now();
    const busy = await latencies(port, connections);
    host.send('idle');
    const done = await told<{ readonly sets: number; readonly scrapes: number }>(host);
    return { idle, busy, ...done, seconds: (performance.now() - startedMs) / 1_000 };
  } finally {
    host.kill('SIGKILL');
  }
}

const backend = spawn(process.execPath, ['-e', BACKEND], { stdio: ['ignore', 'pipe', 'inherit'] });
children.push(backend);
try {
  const [printed] = await once(backend.stdout, 'data');
  const backendPort = String(printed).trim();
  for (const engine of ['epoll', 'net'] as const) {
    const rows = [
      [
        'engine, main thread',
        'clients',
        'p50 ms',
        'p99 ms',
        'slowest ms',
        'p99 to idle',
        'refused',
        'sets/s',
      ],
    ];
    const { idle, busy, sets, seconds } = await measure(engine, backendPort);
    for (const [name, samples] of [['idle', idle] as const, ['busy', busy] as const]) {
      const p99 = quantileOf(samples, 0.99);
      const served = samples.filter((ms) => ms !== Infinity);
      rows.push([
        `${engine}, ${name}`,
        String(samples.length),
        quantileOf(samples, 0.5).toFixed(2),
        p99.toFixed(2),
        Math.max(...served).toFixed(2),
        (p99 / quantileOf(idle, 0.99)).toFixed(1),
        String(samples.length - served.length),
        name === 'idle' ? '0' : (sets / seconds).toFixed(1),
      ]);
      if (engine === 'epoll' && p99 >= LIMIT_MS) {
        process.stderr.write(
          `${engine}, ${name}: p99 is ${p99.toFixed(1)} ms, the limit is ${LIMIT_MS} ms\n`,
        );
        process.exitCode = 1;
      }
    }
    process.stdout.write(`${table(rows)}\n\n`);
  }
} finally {
  backend.kill('SIGKILL');
}
