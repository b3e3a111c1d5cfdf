import type { MessagePort } from 'node:worker_threads';
import type { GeoResolver, MonotonicClock, Random } from '../../domain/ports.ts';
import type { PoolSettings } from '../../domain/pool.ts';
import { limitedWarning } from '../../domain/limited-log.ts';
import { REFUSAL_REASONS, type RefusalReason } from '../../domain/outcome.ts';
import { Affinity } from '../affinity.ts';
import type { ProxyHeaderSettings } from '../proxy-header-settings.ts';
import { RateLimiter, type RateLimiterMemory } from '../rate-limiter.ts';
import { Router } from '../router.ts';
import { newsOf, openSharedState, type SharedMemory } from '../shared-state.ts';
import type { Timeouts } from '../timeouts.ts';
import type { Sys } from '../sys/sys.ts';
import { LoopClock } from './clock.ts';
import { Connector } from './connector.ts';
import { Dialer } from './dialer.ts';
import { must } from './errno.ts';
import { BACKLOG } from './bind-listener.ts';
import { HeaderReader } from './header-reader.ts';
import { HeaderWriter } from './header-writer.ts';
import { Joiner } from './joiner.ts';
import { Listeners } from './listeners.ts';
import { Loop } from './loop.ts';
import { type Command, loggerOf, Outbox } from './messages.ts';
import { Parking } from './parking.ts';
import { Pipes } from './pipes.ts';
import { READ_BYTES, Relay } from './relay.ts';
import { FLAG, SocketTable, type SocketTableMemory } from './socket-table.ts';
import { Sockets } from './sockets.ts';
import { Spare } from './spare.ts';
import { Timers } from './timers.ts';
import { Tuning, type TuningSettings } from './tuning.ts';
import { WarmSockets } from './warm-sockets.ts';

/** Time between two warnings of small pipes. */
const PIPES_GAP_MS = 60_000;

/** What a data thread is to do; may be sent to it. */
export interface DataThreadSettings {
  readonly thread: number;
  readonly memory: SharedMemory;
  readonly sockets: SocketTableMemory;
  readonly stopFlag: Int32Array<SharedArrayBuffer>;
  readonly wakeFd: number;
  readonly ownRegion: string;
  readonly bindingTtlMs: number;
  readonly timeouts: Timeouts;
  /** Of the rate limiter, where there is one. */
  readonly rateLimit: RateLimiterMemory | undefined;
  /** Of the pool, where there is one. */
  readonly pool: PoolSettings | undefined;
  readonly pipeBytes: number;
  /** Descriptors from this number on are not for clients. */
  readonly clientCeiling: number;
  readonly splices: boolean;
  readonly corksEnds: boolean;
  readonly logsConnections: boolean;
  readonly proxyHeaders: ProxyHeaderSettings;
  readonly tuning: TuningSettings;
}

/** What it needs of the world around it. */
export interface DataThreadPorts {
  readonly sys: Sys;
  readonly port: MessagePort;
  readonly geo: GeoResolver;
  readonly random: Random;
  /** The same clock in every thread. */
  readonly now: MonotonicClock;
}

/** Accepts, connects and relays until it is told to stop: composes the parts of a data thread and runs its loop. */
export function runDataThread(
  settings: DataThreadSettings,
  { sys, port, geo, random, now }: DataThreadPorts,
): void {
  const { thread, memory } = settings;
  const state = openSharedState(memory);
  const counters = state.counters[thread]!;
  const outbox = new Outbox(port);
  const logger = loggerOf(outbox);
  const startedMs = now();
  const clock = new LoopClock();
  const table = new SocketTable(settings.sockets);
  const epoll = must(sys.epollCreate(), 'epoll_create1');
  table.open(epoll, FLAG.HELPER);
  const affinity = new Affinity({
    ttlMs: settings.bindingTtlMs,
    now,
    memory: memory.affinity,
    holder: thread + 1,
  });
  const limiter =
    settings.rateLimit &&
    // Who is accepted in a batch came before it, or while it was at work: its time is as good as any, and costs nothing.
    new RateLimiter({ memory: settings.rateLimit, now: () => startedMs + clock.ms, holder: thread + 1 });
  const router = new Router({
    ownRegion: settings.ownRegion,
    geo,
    affinity,
    occupancy: state.occupancy,
    gates: state.gates,
    counters,
    news: newsOf(memory, thread),
    random,
  });
  const tuning = new Tuning(sys, settings.tuning);
  const warnPipes = limitedWarning(logger, 'pipes are smaller than they should be', now, PIPES_GAP_MS);
  const pipes = new Pipes({
    sys,
    table,
    clock,
    pipeBytes: settings.pipeBytes,
    onSmall: (bytes, error) => warnPipes.warn({ error, pipe_bytes: bytes, wanted: settings.pipeBytes }),
  });
  const parking = new Parking(sys, READ_BYTES);
  const spare = new Spare(sys, table);
  const sockets = new Sockets({
    sys,
    epoll,
    table,
    parking,
    pipes,
    router,
    counters,
    attention: state.attention,
    outbox,
    onIdle: () => tellWhenDrained(),
  });
  const connector = new Connector({ sys, table, spare, tuning });
  const warm =
    settings.pool &&
    new WarmSockets({
      sys,
      table,
      sockets,
      connector,
      parking,
      router,
      clock,
      random,
      settings: settings.pool,
      shares: state.poolShares,
      counters: state.poolCounters[thread]!,
      clientCeiling: settings.clientCeiling,
      onStale: (backend) => dialer.redial(backend),
    });
  const relay = new Relay({
    sys,
    table,
    parking,
    pipes,
    sockets,
    counters,
    clock,
    tuning,
    warm,
    splices: settings.splices,
    corksEnds: settings.corksEnds,
  });
  const warnRefused = Object.fromEntries(
    REFUSAL_REASONS.map((reason) => [reason, limitedWarning(logger, 'clients are refused', now)]),
  ) as Record<RefusalReason, ReturnType<typeof limitedWarning>>;
  const warnLocal = limitedWarning(logger, 'cannot connect, the trouble is local', now);
  const warnExhausted = limitedWarning(logger, 'clients have to wait, accepting is paused', now);
  const { trusted } = settings.proxyHeaders;
  const headers =
    trusted.length === 0
      ? undefined
      : new HeaderReader({
          sys,
          table,
          sockets,
          clock,
          ...settings.proxyHeaders,
          onHeader: (client, announcement) => dialer.announced(client, announcement),
          onRefused: (client, problem) => dialer.unannounced(client, problem),
        });
  const headerWriter = new HeaderWriter({ sys, table, sockets, parking, relay, counters });
  const joiner = new Joiner({ table, relay, headerWriter, router, counters, clock, tuning });
  const dialer: Dialer = new Dialer({
    sys,
    table,
    sockets,
    joiner,
    connector,
    warm,
    headers,
    limiter,
    router,
    clock,
    outbox,
    timeouts: settings.timeouts,
    logsConnections: settings.logsConnections,
    onLocalTrouble: (tenancy, error) => warnLocal.warn({ tenancy, error }),
    onRefused(reason, client, detail) {
      counters.clientRefused(reason);
      if (settings.logsConnections) logger.debug({ client: client.text, reason, detail }, 'client refused');
      warnRefused[reason].warn({ reason });
    },
  });
  const listeners = new Listeners({
    sys,
    epoll,
    clock,
    table,
    spare,
    clientCeiling: settings.clientCeiling,
    backlog: BACKLOG,
    onClient: (fd, from) => dialer.accepted(fd, from),
    onExhausted(error) {
      counters.acceptPaused();
      warnExhausted.warn({ error });
      pipes.closeSpare();
      warm?.yieldDescriptors();
    },
    onClosed() {
      hasClosed = true;
      tellWhenDrained();
    },
  });
  const timers = new Timers({
    clock,
    table,
    sockets,
    dialer,
    headers,
    listeners,
    tuning,
    warm,
    counters,
    timeouts: settings.timeouts,
  });
  let isDraining = false;
  /** Nobody comes any more. */
  let hasClosed = false;

  function tellWhenDrained(): void {
    if (hasClosed && sockets.clients === 0) outbox.tell({ type: 'drained' });
  }

  function drain(): void {
    isDraining = true;
    // Said first: of two who close one number, the second may close another's.
    outbox.tell({ type: 'closed' });
    listeners.close();
    warm?.shut();
  }

  function onCommand(command: Command): void {
    switch (command.type) {
      case 'route':
        router.apply(command.table);
        warm?.routed();
        return outbox.tell({ type: 'inForce', version: command.table.version });
      case 'cut':
        return timers.cut(command.tenancy);
      case 'adopt':
        return listeners.adopt(command.listener);
      case 'release':
        if (listeners.release(command.listener))
          outbox.tell({ type: 'released', listener: command.listener });
        return;
      case 'drain':
        return drain();
      case 'close':
        if (!isDraining) drain();
        listeners.abandon();
        headers?.abandon();
        return timers.closeAll(command.spreadMs);
      default:
        command satisfies never;
    }
  }

  const { wakeFd, stopFlag } = settings;
  const loop = new Loop({
    sys,
    epoll,
    wakeFd,
    port,
    stopFlag,
    table,
    clock,
    listeners,
    dialer,
    headers,
    relay,
    warm,
    timers,
    outbox,
    onCommand,
  });
  outbox.tell({ type: 'ready' });
  loop.run();
}
