import type { Router } from '../router.ts';
import type { HeaderReader } from './header-reader.ts';
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
  readonly headers: HeaderReader | undefined;
  readonly waiters: Waiters | undefined;
  readonly warm: WarmSockets | undefined;
  readonly timers: Timers;
  readonly outbox: Outbox;
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
    const { router, warm, listeners, headers, waiters, timers, outbox } = this.#options;
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
        return this.#drain();
      case 'close':
        if (!this.#isDraining) this.#drain();
        listeners.abandon();
        headers?.abandon();
        waiters?.abandon();
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

  #drain(): void {
    const { outbox, listeners, warm } = this.#options;
    this.#isDraining = true;
    // Said first: of two who close one number, the second may close another's.
    outbox.tell({ type: 'closed' });
    listeners.close();
    warm?.shut();
  }
}
