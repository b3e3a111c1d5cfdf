import type { GeoSource } from '../../domain/geo.ts';
import type { GeoResolver } from '../../domain/ports.ts';
import type { EngineLists } from '../engine-lists.ts';
import type { RateLimiter } from '../rate-limiter.ts';
import type { Router } from '../router.ts';
import type { Admission } from './admission.ts';
import type { Dialer } from './dialer.ts';
import type { HeaderReader } from './header-reader.ts';
import type { HelloReader } from './hello-reader.ts';
import type { Listeners } from './listeners.ts';
import type { Command, Outbox } from './messages.ts';
import type { Sockets } from './sockets.ts';
import type { Timers } from './timers.ts';
import type { Waiters } from './waiters.ts';
import type { WarmSockets } from './warm-sockets.ts';

export interface CommandsOptions {
  readonly router: Router;
  readonly sockets: Sockets;
  readonly listeners: Listeners;
  readonly headers: HeaderReader;
  readonly hellos: HelloReader;
  readonly waiters: Waiters;
  readonly warm: WarmSockets;
  readonly dialer: Dialer;
  readonly admission: Admission;
  readonly limiter: RateLimiter;
  readonly timers: Timers;
  readonly outbox: Outbox;
  readonly resolverOf: (source: GeoSource) => GeoResolver;
}

/** Does what the main thread tells a data thread, and tells it when the thread is drained. */
export class Commands {
  readonly #options: CommandsOptions;
  #isDraining = false;
  /** Nobody comes any more. */
  #hasClosed = false;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  obey(command: Command): void {
    const { router, warm, listeners, headers, hellos, waiters, timers, outbox } = this.#options;
    switch (command.type) {
      case 'route':
        router.apply(command.table);
        warm.routed();
        return outbox.tell({ type: 'inForce', version: command.table.version });
      case 'configure':
        this.#configure(command.lists);
        return outbox.tell({ type: 'configured', version: command.version });
      case 'cut':
        return timers.cut(command.tenancy);
      case 'adopt':
        router.offer(command.app);
        return listeners.adopt(command.listener, command.app.number);
      case 'serve':
        router.offer(command.app);
        return listeners.change(command.listener, command.app.number);
      case 'release':
        if (listeners.release(command.listener))
          outbox.tell({ type: 'released', listener: command.listener });
        return;
      case 'retire':
        return this.#retire(command.listener, command.isShared);
      case 'drain':
        return this.#drain();
      case 'close':
        if (!this.#isDraining) this.#drain();
        listeners.abandon();
        headers.abandon();
        hellos.abandon();
        waiters.abandon();
        return timers.closeAll(command.spreadMs);
      default:
        command satisfies never;
    }
  }

  /** The last of the listeners that were to be closed is closed. */
  listenersClosed(): void {
    this.#hasClosed = true;
    this.tellWhenDrained();
  }

  tellWhenDrained(): void {
    const { sockets, outbox } = this.#options;
    if (this.#hasClosed && sockets.clients === 0) outbox.tell({ type: 'drained' });
  }

  /** What goes by the clock is looked at anew; time that has passed counts. */
  #configure({ trusted, exempt, geo, serverNames }: Partial<EngineLists>): void {
    const { router, limiter, headers, hellos, dialer, timers, warm, admission, resolverOf } = this.#options;
    if (trusted !== undefined) headers.trust(trusted);
    if (serverNames !== undefined) hellos.serve(serverNames);
    if (exempt !== undefined) limiter.exempt(exempt);
    if (geo !== undefined) router.geo = resolverOf(geo);
    dialer.timeoutsChanged();
    timers.timeoutsChanged();
    warm.settingsChanged();
    admission.count();
  }

  #retire(listener: number, isShared: boolean): void {
    const { listeners, outbox } = this.#options;
    if (!listeners.has(listener)) return;
    // Said first, as with all of them.
    outbox.tell({ type: 'retired', listener });
    listeners.retire(listener, isShared);
  }

  #drain(): void {
    const { outbox, listeners, warm } = this.#options;
    this.#isDraining = true;
    // Said first: of two who close one number, the second may close another's.
    outbox.tell({ type: 'closed' });
    listeners.close();
    warm.shut();
  }
}
