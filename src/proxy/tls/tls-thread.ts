import type { Server } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import type { Outcome } from '../../domain/outcome.ts';
import type { GeoResolver, ListenAddress, Logger, MonotonicClock, Random } from '../../domain/ports.ts';
import type { GeoSource } from '../../domain/geo.ts';
import type { TlsIdentity } from '../../domain/tls.ts';
import { messageOf } from '../../errors.ts';
import { Affinity } from '../affinity.ts';
import { Apps } from '../apps.ts';
import type { Attention } from '../attention.ts';
import { ConnectionLimits, type ConnectionLimitsMemory } from '../connection-limits.ts';
import type { EngineLists } from '../engine-lists.ts';
import { engineNumbersIn, type EngineNumbersMemory } from '../engine-numbers.ts';
import { LiveLedger, type LiveLedgerMemory } from '../net/live-ledger.ts';
import { chooseTransport } from '../net/choose-transport.ts';
import { StreamTransport } from '../net/stream-wire.ts';
import type { Transport } from '../net/wire.ts';
import { NetEngine } from '../net-engine.ts';
import { RateLimiter, type RateLimiterMemory } from '../rate-limiter.ts';
import { Router } from '../router.ts';
import { newsOf, openSharedState, poolOf, type SharedMemory } from '../shared-state.ts';
import type { WaitQueueMemory } from '../wait-queue.ts';
import { HandshakeCounters, type HandshakeCountersMemory } from './handshake-counters.ts';
import type { TlsCommand, TlsReport } from './messages.ts';
import { Roster } from './roster.ts';
import { TlsHandshakes } from './tls-handshakes.ts';

/** What a thread of the TLS listener is to do; may be sent to it. */
export interface TlsThreadSettings {
  /** Its number among all threads that relay, and among those of the TLS listener. */
  readonly thread: number;
  readonly tlsThread: number;
  readonly addressSetting: string;
  readonly sharesPort: boolean;
  readonly memory: SharedMemory;
  readonly handshakes: HandshakeCountersMemory;
  readonly ownRegion: string;
  readonly numbers: EngineNumbersMemory;
  readonly lists: EngineLists;
  readonly limits: ConnectionLimitsMemory;
  readonly queue: WaitQueueMemory;
  readonly rateLimit: RateLimiterMemory;
  readonly identity: TlsIdentity;
  readonly ledger: LiveLedgerMemory;
}

/** What it needs of the world around it. */
export interface TlsThreadPorts {
  readonly port: MessagePort;
  readonly resolverOf: (source: GeoSource) => GeoResolver;
  readonly random: Random;
  /** The same clock in every thread. */
  readonly now: MonotonicClock;
}

/** Serves TLS clients until it is ended: composes the portable engine around handshakes, and does what it is told. */
export function runTlsThread(
  settings: TlsThreadSettings,
  { port, resolverOf, random, now }: TlsThreadPorts,
): void {
  const { thread, memory, lists } = settings;
  const holder = thread + 1;
  const numbers = engineNumbersIn(settings.numbers);
  const state = openSharedState(memory);
  const counters = state.counters[thread]!;
  const roster = new Roster();
  const tell = (report: TlsReport): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    port.postMessage(report);
  };
  const logger = loggerTo(tell, numbers.log);
  const limiter = new RateLimiter({ memory: { ...settings.rateLimit, exempt: lists.exempt }, now, holder });
  const handshakes = new TlsHandshakes({
    identity: settings.identity,
    counters: new HandshakeCounters(settings.handshakes, settings.tlsThread),
    bounds: numbers.handshakes,
    logger,
    now,
  });
  const engine = new NetEngine({
    thread,
    bells: state.bells,
    apps: new Apps(),
    serverNames: lists.serverNames,
    sharesPort: settings.sharesPort,
    slots: roster,
    limiter,
    limits: new ConnectionLimits(settings.limits, numbers.limits, holder),
    queue: settings.queue,
    router: new Router({
      ownRegion: settings.ownRegion,
      geo: resolverOf(lists.geo),
      affinity: new Affinity({ binding: numbers.binding, now, memory: memory.affinity, holder }),
      occupancy: state.occupancy,
      gates: state.gates,
      counters,
      news: newsOf(memory, thread),
      random,
    }),
    counters,
    logger,
    now,
    onOutcomes(batch) {
      const outcomes = worthTelling(batch, roster, state.attention);
      if (outcomes.length > 0) tell({ type: 'outcomes', outcomes });
    },
    onInForce: (version) => tell({ type: 'inForce', version }),
    numbers,
    trusted: lists.trusted,
    pool: poolOf(state, thread),
    transportOf: (server) => acceptingStreams(server, logger),
    handshakes,
    ledger: new LiveLedger(settings.ledger),
  });

  async function listen(address: ListenAddress): Promise<void> {
    try {
      await engine.listen([{ setting: settings.addressSetting, address, goesByServerName: true }]);
      tell({ type: 'listening' });
    } catch (error) {
      tell({ type: 'deaf', problem: messageOf(error) });
    }
  }

  async function obey(command: TlsCommand): Promise<void> {
    switch (command.type) {
      case 'listen':
        return listen(command.address);
      case 'route':
        for (const newcomer of command.newcomers) roster.add(newcomer);
        return engine.route(command.table);
      case 'configure':
        await engine.reconfigure(command.lists, resolverOf(command.lists.geo));
        handshakes.timeoutChanged();
        return tell({ type: 'agreed', version: command.version });
      case 'present':
        handshakes.present(command.identity);
        return tell({ type: 'agreed', version: command.version });
      case 'cut':
        return engine.cut(command.incarnation);
      case 'drain':
        await engine.drain();
        return tell({ type: 'drained' });
      case 'close':
        await engine.close(command.spreadMs);
        return tell({ type: 'drained' });
      default:
        return command satisfies never;
    }
  }

  process.once('uncaughtException', (error) => {
    // The end of the thread would be an orderly end for peers.
    engine.abandon();
    process.nextTick(() => {
      throw error;
    });
  });
  port.on('message', (command: TlsCommand) => void obey(command));
  tell({ type: 'ready' });
}

/** Accepts by streams, which handshakes need, and dials as it is cheapest. */
function acceptingStreams(server: Server, logger: Logger): Transport {
  const dialling = chooseTransport(server, logger);
  const accepting = new StreamTransport();
  return {
    accept: (from, onClient) => accepting.accept(from, onClient),
    dial: (host, port, holder) => dialling.dial(host, port, holder),
  };
}

/** Successes count while somebody wants to know; failures draw attention. */
function worthTelling(batch: readonly Outcome[], roster: Roster, attention: Attention): readonly Outcome[] {
  return batch.filter(({ incarnation, result }) => {
    const slot = roster.of(incarnation)?.slot;
    if (slot === undefined) return false;
    if (result === 'failure') attention.failed(slot);
    return result !== 'success' || attention.isOn(slot);
  });
}

function loggerTo(tell: (report: TlsReport) => void, log: { readonly isDetailed: boolean }): Logger {
  const write =
    (level: keyof Logger) =>
    (fields: object, message: string): void =>
      tell({ type: 'log', line: { level, fields, message } });
  const debug = write('debug');
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: (fields, message) => {
      if (log.isDetailed) debug(fields, message);
    },
  };
}
