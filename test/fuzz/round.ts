import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../src/domain/ports.ts';
import { incarnationOf } from '../../src/domain/backend.ts';
import { type EngineKind, type EngineOptions, listenAt, type RunningEngine } from '../support/engines.ts';
import { freePort, startTcpBackend } from '../support/sockets.ts';
import { connectClient } from './clients.ts';
import { Fleet } from './fleet.ts';
import { exceeded } from './hard-limits.ts';
import type { Peer } from './peer.ts';
import { Random } from './random.ts';
import { Streams } from './streams.ts';

/** Longer than the life of any peer, with a machine that has other things to do. */
const STUCK_MS = 40_000;
/** Longer than anybody waits here. */
const LONG_MS = 2 * STUCK_MS;
const CHECK_MS = 200;
const MOST_FINDINGS = 10;

export interface RoundOptions {
  readonly kind: EngineKind;
  readonly seed: number;
  readonly durationMs: number;
  readonly clients: number;
}

export interface RoundResult {
  readonly connections: number;
  readonly bytes: number;
  readonly settings: string;
  readonly findings: readonly string[];
}

/** One engine from its start to its end, among peers that do as they like. */
export async function runRound(options: RoundOptions): Promise<RoundResult> {
  // The first socket of a process makes libuv keep a spare descriptor.
  await (await startTcpBackend(() => {})).close();
  const before = new Set(descriptors());
  const round = new Round(options);
  await round.run();
  const left = (): readonly string[] => descriptors().filter((descriptor) => !before.has(descriptor));
  if (!(await settled(() => left().length === 0, 5_000)))
    round.streams.found(`descriptors are left open: ${left().join(', ')}`);
  return round.result;
}

class Round {
  readonly #options: RoundOptions;
  readonly #random: Random;
  readonly streams = new Streams();
  readonly #clients = new Set<Peer>();
  #connections = 0;
  #settings = '';
  #port = 0;
  #isMoving = false;
  #moves = 0;
  #isOver = false;

  constructor(options: RoundOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  get result(): RoundResult {
    const { bytes, findings } = this.streams;
    const shown = findings.slice(0, MOST_FINDINGS);
    return { connections: this.#connections, bytes, settings: this.#settings, findings: shown };
  }

  async run(): Promise<void> {
    const random = this.#random;
    const fleet = await Fleet.start(this.streams, random.fork());
    const settings = { threads: random.int(1, 3), ...settingsOf(random, this.#options.clients) };
    this.#settings = JSON.stringify(settings);
    const running = await this.#options.kind.start(fleet.rows, { ...settings, logger: this.#logger() });
    this.#port = running.port;
    try {
      const chaos = Promise.all([
        this.#changeSets(running, fleet),
        this.#changeSettings(running),
        this.#move(running),
        this.#troubles(fleet),
        this.#watch(fleet),
      ]);
      const slots = Array.from({ length: this.#options.clients }, () => this.#connectOver(random.fork()));
      await delay(this.#options.durationMs);
      this.#isOver = true;
      await chaos;
      const drained = running.engine.drain();
      await Promise.all(slots);
      if (!(await isWithin(drained, STUCK_MS))) this.#reportStuck(running, fleet);
      this.#checkCounters(running);
    } finally {
      this.#isOver = true;
      await running.engine.close(0);
      await fleet.close();
      for (const { socket } of this.#clients) socket.destroy();
    }
  }

  /** A client after the other. Those that take too long are found so, and not waited for. */
  async #connectOver(random: Random): Promise<void> {
    while (!this.#isOver && this.streams.findings.length < MOST_FINDINGS) {
      const moves = this.#moves;
      const client = await connectClient(this.#port, this.streams, random.fork());
      // A backend may have reset it before this process has looked, maybe after its FIN.
      if (client === 'ECONNRESET' || client === 'EPIPE') continue;
      if (client === 'ECONNREFUSED' && (this.#isMoving || moves !== this.#moves)) continue;
      if (typeof client === 'string') {
        if (!this.#isOver) this.streams.found(`a client could not connect: ${client}`);
        return;
      }
      this.#connections++;
      this.#clients.add(client);
      void client.live();
      if (!(await isWithin(client.closed, STUCK_MS)))
        this.streams.found(`a client is stuck: ${client.describe()}`);
      else this.#clients.delete(client);
    }
  }

  async #changeSets(running: RunningEngine, fleet: Fleet): Promise<void> {
    const random = this.#random.fork();
    while (!this.#isOver) {
      await delay(random.int(20, 400));
      const rows = random.chance(0.03) ? [] : fleet.someRows();
      running.apply(rows);
      for (const backend of fleet.rows) {
        const isGone = !rows.includes(backend);
        if (random.chance(isGone ? 0.4 : 0.03)) running.engine.cut(incarnationOf(backend));
      }
    }
  }

  async #changeSettings({ reconfigure }: RunningEngine): Promise<void> {
    const random = this.#random.fork();
    while (!this.#isOver) {
      await delay(random.int(20, 600));
      if (!(await isWithin(reconfigure(settingsOf(random, this.#options.clients)), STUCK_MS)))
        this.streams.found('settings are not in force');
    }
  }

  /** The listener goes elsewhere now and then. */
  async #move({ engine }: RunningEngine): Promise<void> {
    const random = this.#random.fork();
    while (!this.#isOver) {
      await delay(random.int(200, 2_000));
      this.#isMoving = true;
      this.#port = (await listenAt(engine, await freePort())).port;
      this.#isMoving = false;
      this.#moves++;
    }
  }

  async #troubles(fleet: Fleet): Promise<void> {
    const random = this.#random.fork();
    while (!this.#isOver) {
      await delay(random.int(200, 1_500));
      await fleet.trouble();
    }
  }

  async #watch(fleet: Fleet): Promise<void> {
    while (!this.#isOver) {
      await delay(CHECK_MS);
      for (const text of await exceeded(fleet.rows)) this.streams.found(text);
    }
  }

  #reportStuck(running: RunningEngine, fleet: Fleet): void {
    const peers = [...this.#clients, ...fleet.peers].map((peer) => peer.describe());
    this.streams.found(
      `not drained, ${running.engine.liveConnections} connections are live; peers: ${peers.slice(0, 6).join('; ')}`,
    );
  }

  #checkCounters({ engine, traffic }: RunningEngine): void {
    const report = traffic.report();
    if (report.active !== 0 || engine.liveConnections !== 0)
      this.streams.found(`${report.active} clients are counted`);
    for (const { backendId, active } of report.backends)
      if (active !== 0) this.streams.found(`${active} places are taken at ${backendId}`);
  }

  /** A data thread that dies says so in an error. */
  #logger(): Logger {
    const error = (fields: object, message: string): void =>
      this.streams.found(`an error was logged: ${message} ${JSON.stringify(fields)}`);
    return { error, warn() {}, info() {}, debug() {} };
  }
}

/** What may change while an engine runs. None of these timeouts ends a connection: that would be found as a fault. */
function settingsOf(random: Random, clients: number): Partial<EngineOptions> {
  const longMs = (): number => random.pick([0, LONG_MS]);
  return {
    connectTimeoutMs: random.int(200, 800),
    connectAttempts: random.int(1, 3),
    idleTimeoutMs: longMs(),
    halfClosedTimeoutMs: longMs(),
    firstByteTimeoutMs: longMs(),
    bindingTtlMs: random.pick([0, 0, 5_000]),
    rateLimit: random.pick([undefined, { maxRequests: 1_000_000, windowMs: 1_000, burstSize: 1_000_000 }]),
    waits: random.pick([undefined, { maxWaiting: random.int(1, 40), timeoutMs: random.int(50, 1_000) }]),
    limits: random.pick([
      undefined,
      { maxConnections: random.int(1, clients), maxPerClient: 0, ipv6Prefix: 64 },
    ]),
    pool: random.pick([
      undefined,
      {
        maxPerBackend: random.int(1, 6),
        idleTimeoutMs: random.int(50, 2_000),
        maxLifetimeMs: random.int(50, 3_000),
        connectTimeoutMs: random.int(50, 500),
      },
    ]),
  };
}

/** Number and kind of each. */
function descriptors(): readonly string[] {
  return readdirSync('/proc/self/fd').map((fd) => {
    try {
      return `${fd} ${readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/, '')}`;
    } catch {
      // The folder itself.
      return '';
    }
  });
}

async function isWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false);
  const isInTime = await Promise.race([promise.then(() => true), late]);
  timer.abort();
  return isInTime;
}

async function settled(isMet: () => boolean, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await delay(50)) if (isMet()) return true;
  return isMet();
}
