/**
 * What 10,000 backends with a breaker and a checker each cost: start, memory, and 2,000 TCP probes a second.
 *
 * Probes go to one listener in a process of its own. Prints the figures and fails when the start takes 2 s or more,
 * memory grows by 100 MB or more, fewer than 2,000 probes a second come back, or they take more than one core.
 */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { throttleTime } from 'rxjs';
import { createProbe } from '../../src/adapters/probes/probe.ts';
import { createFleet } from '../../src/composition/create-fleet.ts';
import { loadSettings } from '../../src/config/load.ts';
import { deriveEligibleSet } from '../../src/domain/eligibility.ts';
import { aBackend } from '../support/backends.ts';
import { once } from '../support/sockets.ts';
import { table } from './report.ts';

const BACKENDS = 10_000;
const SECONDS = 20;
const LISTENER = `
  require('node:net').createServer((socket) => socket.on('error', () => {}).resume())
    .listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, function () { console.log(this.address().port); });`;

const child = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] });
const [printed] = await once(child.stdout, 'data');
const port = Number(String(printed));
const { settings } = loadSettings({
  EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'true',
  EDGEPROXY_HEALTH_CHECK_ENABLED: 'true',
});
const now = (): number => performance.now();
const silent = { error() {}, warn() {}, info() {}, debug() {} };
const backends = Array.from({ length: BACKENDS }, (_, index) => aBackend({ id: `b${index}`, port }));

let probes = 0;
let failed = 0;
const memory = (): number => {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1e6;
};

const createBenchFleet = () =>
  createFleet({
    settings,
    logger: silent,
    probe: createProbe({ maxInFlight: settings.health_check.max_in_flight, now }),
    activeOf: () => 0,
    routesTo: () => false,
    cut: () => {},
    onTransition: () => {},
    onProbed: (result) => (result === 'ok' ? probes++ : failed++),
    now,
    random: Math.random,
  }).fleet;

// Code that is compiled once counts to the base.
const first = createBenchFleet();
first.update(backends.slice(0, 100));
first.stop();

const fleet = createBenchFleet();
const baseMb = memory();
const startedMs = now();
let sets = 0;
fleet.changes$.pipe(throttleTime(10, undefined, { leading: true, trailing: true })).subscribe(() => sets++);
fleet.update(backends);
const startMs = now() - startedMs;

try {
  await delay(6_000);
  const [cpuBefore, probesBefore, beganMs] = [process.cpuUsage(), probes, now()];
  await delay(SECONDS * 1000);
  const cpu = process.cpuUsage(cpuBefore);
  const seconds = (now() - beganMs) / 1000;
  const rate = (probes - probesBefore) / seconds;
  const core = (cpu.user + cpu.system) / 1e6 / seconds;
  const grownMb = memory() - baseMb;
  const members = [...fleet.families.values()].map(({ member }) => member);
  const deriveFrom = now();
  deriveEligibleSet(members, 1, { excludesUnchecked: false, panicThresholdPercent: 0 });
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['start, ms', startMs.toFixed(0), startMs < 2_000],
    ['memory above the base, MB', grownMb.toFixed(1), grownMb < 100],
    ['probes per second', rate.toFixed(0), rate >= 1_980],
    ['failed probes', String(failed), failed === 0],
    ['share of one core', core.toFixed(2), core < 1],
    ['derive a set, ms', (now() - deriveFrom).toFixed(1), true],
    ['sets while starting', String(sets), true],
  ];
  process.stdout.write(
    `${table([[`${BACKENDS} backends`, 'measured'], ...rows.map(([name, value]) => [name, value])])}\n`,
  );
  for (const [name] of rows.filter(([, , isGood]) => !isGood)) {
    process.stderr.write(`${name}: outside its limit\n`);
    process.exitCode = 1;
  }
} finally {
  fleet.stop();
  child.kill();
}
