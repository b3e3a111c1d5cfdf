import { mkdir } from 'node:fs/promises';
import { freePort } from '../../support/sockets.ts';
import type { CertificateFiles } from './certificates.ts';
import type { Contestant, Threads } from './contestants.ts';
import type { CpuPlan } from './cpus.ts';
import type { Client, Load, Origin } from './load.ts';
import { cpuSeconds, processTree, residentBytes } from './process-cost.ts';
import { type PreparedProxy, prepareProxy } from './proxy.ts';
import {
  amountsOf,
  type Effort,
  type IdleScenario,
  type Scenario,
  type ServerKey,
  type TrafficScenario,
  unitsOf,
} from './scenarios.ts';

/** One figure of one contestant in one round. */
export interface Sample {
  readonly contestant: string;
  readonly threads: Threads;
  readonly scenario: string;
  /** CPU seconds a unit; for `idle` bytes a connection, for `start` seconds. Less is better. */
  readonly cost: number;
  /** Units a second, and CPU seconds a unit of the load generator, both ends together; traffic only. */
  readonly traffic?: { readonly rate: number; readonly loadCost: number };
}

export interface Turn {
  readonly contestant: Contestant;
  readonly threads: Threads;
  /** All of the server key of `tls`, or all without TLS. */
  readonly scenarios: readonly Scenario[];
  readonly tls?: { readonly serverKey: ServerKey; readonly files: CertificateFiles } | undefined;
  readonly effort: Effort;
  readonly cpus: CpuPlan;
  readonly load: Load;
  /** This turn's own; it is created. */
  readonly folder: string;
}

/** Short connections before the first figure of memory, so that what a proxy allocates once is in it. */
const IDLE_WARM_UP = 200;

/** Starts a contestant and an origin anew, and takes every scenario in turn. */
export async function takeTurn(turn: Turn): Promise<readonly Sample[]> {
  const { contestant, threads, tls, cpus, load, folder } = turn;
  await mkdir(folder, { recursive: true });
  const origin = await load.startOrigin(cpus.load);
  try {
    const [port, metricsPort, tlsPort] = [await freePort(), await freePort(), await freePort()];
    const wiring = {
      port,
      metricsPort,
      tls: tls && { ...tls.files, port: tlsPort },
      origins: origin.ports,
      threads,
      folder,
    };
    const prepared = await prepareProxy(contestant, wiring);
    return await takeScenarios(turn, origin, tls === undefined ? port : tlsPort, prepared);
  } finally {
    await origin.end();
  }
}

async function takeScenarios(
  turn: Turn,
  origin: Origin,
  port: number,
  prepared: PreparedProxy,
): Promise<readonly Sample[]> {
  const asking = await turn.load.startClient(
    { mode: 'await', serverKey: turn.tls?.serverKey, port, streams: 1, warmUp: 0, measured: 0 },
    turn.cpus.load,
  );
  const answered = asking.measure();
  const startedSeconds = monotonicSeconds();
  const proxy = prepared.start(turn.cpus.proxy);
  let endScrapes = (): void => {};
  try {
    // A proxy that fails is the reason; whoever talks to it fails for want of a partner.
    const { seconds } = await Promise.race([answered, proxy.failed]);
    endScrapes = prepared.scrape();
    const running = {
      pids: await processTree(proxy.pid),
      origin,
      port,
      startSeconds: seconds - startedSeconds,
    };
    const samples: Sample[] = [];
    for (const scenario of turn.scenarios) {
      samples.push(await Promise.race([takeScenario(turn, scenario, running), proxy.failed]));
    }
    return samples;
  } finally {
    endScrapes();
    await Promise.all([asking.end(), proxy.end()]);
  }
}

interface RunningProxy {
  readonly pids: readonly number[];
  readonly origin: Origin;
  readonly port: number;
  readonly startSeconds: number;
}

async function takeScenario(turn: Turn, scenario: Scenario, running: RunningProxy): Promise<Sample> {
  const subject = { contestant: turn.contestant.key, threads: turn.threads, scenario: scenario.key };
  switch (scenario.kind) {
    case 'start':
      return { ...subject, cost: running.startSeconds };
    case 'idle':
      return { ...subject, cost: await idleCost(turn, scenario, running) };
    case 'traffic':
      return { ...subject, ...(await trafficCost(turn, scenario, running)) };
    default:
      return scenario satisfies never;
  }
}

/** What memory grows by, over connections that are open and have had one exchange. */
async function idleCost(
  turn: Turn,
  { connections }: IdleScenario,
  { pids, port }: RunningProxy,
): Promise<number> {
  const order = { mode: 'idle', port, streams: 1, warmUp: IDLE_WARM_UP, measured: connections } as const;
  return withClient(await turn.load.startClient(order, turn.cpus.load), async (client) => {
    const before = residentBytes(pids);
    await client.measure();
    return (residentBytes(pids) - before) / connections;
  });
}

async function trafficCost(turn: Turn, scenario: TrafficScenario, { pids, origin, port }: RunningProxy) {
  const { mode, streams, serverKey } = scenario;
  const [warmUp, measured] = amountsOf(scenario, turn.effort);
  const order = { mode, serverKey, port, streams, warmUp, measured };
  return withClient(await turn.load.startClient(order, turn.cpus.load), async (client) => {
    const ends = [client.pid, origin.pid];
    const [proxyBefore, loadBefore] = [cpuSeconds(pids), cpuSeconds(ends)];
    const { completed, seconds } = await client.measure();
    const [proxySeconds, loadSeconds] = [cpuSeconds(pids) - proxyBefore, cpuSeconds(ends) - loadBefore];
    const units = completed * unitsOf(scenario, turn.effort);
    return {
      cost: proxySeconds / units,
      traffic: { rate: units / seconds, loadCost: loadSeconds / units },
    };
  });
}

async function withClient<T>(client: Client, use: (client: Client) => Promise<T>): Promise<T> {
  try {
    const result = await use(client);
    await client.finish();
    return result;
  } finally {
    await client.end();
  }
}

/** The clock that the load generator tells the time of the first answer by. */
function monotonicSeconds(): number {
  return Number(process.hrtime.bigint()) / 1e9;
}
