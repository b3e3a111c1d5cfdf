/**
 * What 2,000 probes a second cost, over 10 seconds each by TCP and by HTTP.
 *
 * The backends live in a process of their own, so the CPU share is that of the probes alone. TIME_WAIT is what the
 * probes have left behind in the kernel (Linux). Fails when a TCP probe fails, when the rate is not kept, or when TCP
 * probes take half a core.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createProbe } from '../../src/adapters/probes/probe.ts';
import type { HealthCheck, ProbeResult } from '../../src/domain/health.ts';
import { once } from '../support/sockets.ts';
import { quantileOf, table } from './report.ts';

const PER_SECOND = 2_000;
const SECONDS = 10;
const MAX_IN_FLIGHT = 256;
const LIMIT_PERCENT = 50;
const BEAT_MS = 5;

const BACKENDS = `
  const server = require('node:http').createServer((request, response) => response.end('ok'));
  server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => process.stdout.write(String(server.address().port)));`;

interface Run {
  readonly results: readonly ProbeResult[];
  readonly seconds: number;
  readonly cpuPercent: number;
  readonly timeWait: number;
}

const TIME_WAIT = '06';

/** Sockets of our side in TIME_WAIT towards the port; not a number where the kernel does not tell. */
function timeWaitSockets(port: number): number {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  try {
    return readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , to, state]) => state === TIME_WAIT && to?.endsWith(remote)).length;
  } catch {
    return Number.NaN;
  }
}

async function run(check: HealthCheck, port: number): Promise<Run> {
  const probe = createProbe({ maxInFlight: MAX_IN_FLIGHT, now: () => performance.now() });
  const settings = { check, timeoutMs: 2_000, intervalMs: 5_000, healthyThreshold: 2, unhealthyThreshold: 3 };
  const { signal } = new AbortController();
  const probes: Promise<ProbeResult>[] = [];
  const timeWaitBefore = timeWaitSockets(port);
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  await new Promise<void>((resolve) => {
    const beat = setInterval(() => {
      const due = Math.min(SECONDS, (performance.now() - startedMs) / 1_000) * PER_SECOND;
      while (probes.length < due) probes.push(probe({ host: '127.0.0.1', port }, settings, signal));
      if (probes.length < SECONDS * PER_SECOND) return;
      clearInterval(beat);
      resolve();
    }, BEAT_MS);
  });
  const results = await Promise.all(probes);
  const seconds = (performance.now() - startedMs) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const timeWait = timeWaitSockets(port) - timeWaitBefore;
  return {
    results,
    seconds,
    cpuPercent: (user + system) / 1e4 / seconds,
    timeWait,
  };
}

function rowOf(name: string, { results, seconds, cpuPercent, timeWait }: Run): readonly string[] {
  const latencies = results.map(({ latencyMs }) => latencyMs);
  return [
    name,
    (results.length / seconds).toFixed(0),
    String(results.filter(({ ok }) => !ok).length),
    ...[0.5, 0.99, 1].map((quantile) => quantileOf(latencies, quantile).toFixed(2)),
    `${cpuPercent.toFixed(1)} %`,
    Number.isNaN(timeWait) ? '-' : String(timeWait),
  ];
}

async function startBackends(): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = spawn(process.execPath, ['-e', BACKENDS], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = await once(child.stdout, 'data');
  return { child, port: Number(String(text)) };
}

const { child, port } = await startBackends();
try {
  const tcp = await run({ type: 'tcp' }, port);
  const http = await run({ type: 'http', path: '/health', expectedStatus: 200 }, port);
  process.stdout.write(
    `${table([
      ['probes', 'per second', 'failed', 'p50 ms', 'p99 ms', 'max ms', 'of one core', 'left in TIME_WAIT'],
      rowOf('tcp', tcp),
      rowOf('http', http),
    ])}\n`,
  );
  const isKept = tcp.results.every(({ ok }) => ok) && tcp.seconds < SECONDS * 1.05;
  if (!isKept || tcp.cpuPercent >= LIMIT_PERCENT) {
    process.stderr.write(
      `${PER_SECOND} TCP probes a second below ${LIMIT_PERCENT} % of a core: not reached\n`,
    );
    process.exitCode = 1;
  }
} finally {
  child.kill('SIGKILL');
}
