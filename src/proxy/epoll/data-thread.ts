import type { MessagePort } from 'node:worker_threads';
import type { GeoResolver, MonotonicClock, Random } from '../../domain/ports.ts';
import type { GeoSource } from '../../domain/geo.ts';
import { limitedWarning } from '../../domain/limited-log.ts';
import { Affinity } from '../affinity.ts';
import { ConnectionLimits } from '../connection-limits.ts';
import { engineNumbersIn } from '../engine-numbers.ts';
import { refusalWarnings } from '../refusal-warnings.ts';
import { WaitQueues } from '../wait-queue.ts';
import { wakerOf } from './waker.ts';
import { Waiters } from './waiters.ts';
import { RateLimiter } from '../rate-limiter.ts';
import { Router } from '../router.ts';
import { holderWaker } from '../wake-holders.ts';
import { newsOf, openSharedState } from '../shared-state.ts';
import type { Sys } from '../sys/sys.ts';
import { LoopClock } from './clock.ts';
import { Admission } from './admission.ts';
import { Announcements } from './announcements.ts';
import { Commands } from './commands.ts';
import { Connector } from './connector.ts';
import type { DataThreadSettings } from './data-thread-settings.ts';
import { Dialer } from './dialer.ts';
import { must } from './errno.ts';
import { BACKLOG } from './bind-listener.ts';
import { HeaderReader } from './header-reader.ts';
import { HeaderWriter } from './header-writer.ts';
import { HelloReader } from './hello-reader.ts';
import { Joiner } from './joiner.ts';
import { Listeners } from './listeners.ts';
import { Loop } from './loop.ts';
import { Outbox } from './messages.ts';
import { Parking } from './parking.ts';
import { Pipes } from './pipes.ts';
import { READ_BYTES, Relay } from './relay.ts';
import { FLAG, SocketTable } from './socket-table.ts';
import { Shortage } from '../shortage.ts';
import { Sockets } from './sockets.ts';
import { Spare } from './spare.ts';
import { Timers } from './timers.ts';
import { Tuning } from './tuning.ts';
import { WarmSockets } from './warm-sockets.ts';

/** Time between two warnings of small pipes. */
const PIPES_GAP_MS = 60_000;

/** What it needs of the world around it. */
export interface DataThreadPorts {
  readonly sys: Sys;
  readonly port: MessagePort;
  readonly resolverOf: (source: GeoSource) => GeoResolver;
  readonly random: Random;
  /** The same clock in every thread. */
  readonly now: MonotonicClock;
}

/** Accepts, connects and relays until it is told to stop: composes the parts of a data thread and runs its loop. */
export function runDataThread(
  settings: DataThreadSettings,
  { sys, port, resolverOf, random, now }: DataThreadPorts,
): void {
  const { thread, memory, lists } = settings;
  const numbers = engineNumbersIn(settings.numbers);
  const { timeouts, header, hello, binding, queue, pool, log, descriptors } = numbers;
  const state = openSharedState(memory);
  const counters = state.counters[thread]!;
  const outbox = new Outbox(port);
  const wake = wakerOf(sys, settings.wakeFds, state.bells);
  const logger = outbox.logger;
  const startedMs = now();
  const clock = new LoopClock();
  const table = new SocketTable(settings.sockets);
  const epoll = must(sys.epollCreate(), 'epoll_create1');
  table.open(epoll, FLAG.HELPER);
  const holder = thread + 1;
  const affinity = new Affinity({ binding, now, memory: memory.affinity, holder });
  // Who is accepted in a batch came before it, or while it was at work: its time is as good as any, and costs nothing.
  const limiter = new RateLimiter({
    memory: { ...settings.rateLimit, exempt: lists.exempt },
    now: () => startedMs + clock.ms,
    holder,
  });
  const limits = new ConnectionLimits(settings.limits, numbers.limits, holder);
  const router = new Router({
    ownRegion: settings.ownRegion,
    geo: resolverOf(lists.geo),
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
  const announcements = new Announcements(table);
  const sockets = new Sockets({
    sys,
    epoll,
    table,
    parking,
    pipes,
    router,
    counters,
    limits,
    attention: state.attention,
    outbox,
    announcements,
    onIdle: () => commands.tellWhenDrained(),
  });
  const connector = new Connector({ sys, table, spare, tuning });
  const warm = new WarmSockets({
    sys,
    table,
    sockets,
    announcements,
    connector,
    tuning,
    parking,
    router,
    clock,
    random,
    settings: pool,
    shares: state.poolShares,
    shortage: new Shortage(memory.shortages, now),
    isCrowded: (tenancy) => waiters.isCrowdedAt(tenancy),
    counters: state.poolCounters[thread]!,
    descriptors,
    wakeHolders: holderWaker(state.poolCounters, thread, wake),
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
  const warnRefused = refusalWarnings(logger, now);
  const warnLocal = limitedWarning(logger, 'cannot connect, the trouble is local', now);
  const warnExhausted = limitedWarning(logger, 'clients have to wait, accepting is paused', now);
  const headers = new HeaderReader({
    sys,
    table,
    sockets,
    clock,
    trusted: lists.trusted,
    bounds: header,
    onHeader: (client, announcement) => admission.announced(client, announcement),
    onRefused: (client, problem) => dialer.refuse(client, 'bad_proxy_header', problem),
  });
  const hellos = new HelloReader({
    sys,
    table,
    sockets,
    clock,
    router,
    serverNames: lists.serverNames,
    bounds: hello,
    onApp: (client) => admission.enter(client),
    onRefused: (client, reason, detail) => dialer.refuse(client, reason, detail),
  });
  const waiters = new Waiters({
    sys,
    table,
    sockets,
    clock,
    bounds: queue,
    serves: (app, tenancy) => router.serves(app, tenancy),
    queues: new WaitQueues(settings.queue, queue, thread, wake),
    onTurn: (client) => admission.takeTurn(client),
    onTimeout: (client) => dialer.refuse(client, 'queue_timeout'),
    onGone: (client) => dialer.endClient(client),
  });
  router.onFreed = () => waiters.freed();
  const headerWriter = new HeaderWriter({ sys, table, sockets, parking, relay, counters });
  const joiner = new Joiner({ table, relay, headerWriter, announcements, router, counters, clock, tuning });
  const dialer: Dialer = new Dialer({
    sys,
    table,
    sockets,
    joiner,
    connector,
    warm,
    router,
    clock,
    outbox,
    timeouts,
    log,
    onPlaceLost: (client) => admission.enter(client),
    onLocalTrouble: (tenancy, error) => warnLocal.warn({ tenancy, error }),
    onRefused(reason, client, detail) {
      counters.clientRefused(reason);
      if (log.isDetailed) logger.debug({ client: client.text, reason, detail }, 'client refused');
      warnRefused[reason].warn({ reason });
    },
  });
  const admission = new Admission({
    table,
    sockets,
    clock,
    dialer,
    counters,
    announcements,
    headers,
    hellos,
    limiter,
    limits,
    waiters,
  });
  const listeners = new Listeners({
    sys,
    epoll,
    clock,
    table,
    spare,
    descriptors,
    backlog: BACKLOG,
    onClient: (fd, from, app) => admission.accepted(fd, from, app),
    onExhausted(error) {
      counters.acceptPaused();
      warnExhausted.warn({ error });
      pipes.closeSpare();
      warm.yieldDescriptors();
    },
    onClosed: () => commands.listenersClosed(),
  });
  const timers = new Timers({
    clock,
    table,
    sockets,
    dialer,
    headers,
    hellos,
    waiters,
    listeners,
    tuning,
    warm,
    counters,
    timeouts,
  });
  const commands: Commands = new Commands({
    router,
    sockets,
    listeners,
    headers,
    hellos,
    waiters,
    warm,
    dialer,
    admission,
    limiter,
    timers,
    outbox,
    resolverOf,
  });
  const loop = new Loop({
    sys,
    epoll,
    wakeFd: settings.wakeFds[thread]!,
    port,
    stopFlag: settings.stopFlag,
    table,
    clock,
    listeners,
    dialer,
    headers,
    hellos,
    waiters,
    relay,
    warm,
    timers,
    outbox,
    onCommand: (command) => commands.obey(command),
  });
  outbox.tell({ type: 'ready' });
  loop.run();
}
