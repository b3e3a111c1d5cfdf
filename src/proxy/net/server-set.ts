import type { AddressInfo, Server } from 'node:net';
import type { ListenAddress, ProxyListener } from '../../domain/ports.ts';
import type { App, Apps } from '../apps.ts';
import { planListeners } from '../listener-plan.ts';
import { acceptRest } from './accept-rest.ts';
import { listenOn } from './listen-on.ts';

export interface ServerSetOptions {
  readonly apps: Apps;
  /** Whether nobody is to be accepted any more. */
  readonly isTooLate: () => boolean;
  /** Clients of an app may come from now on. */
  readonly onApp: (app: App) => void;
  /** Takes the clients of a server over that has just been bound. @param appOf number of their app, asked for each */
  readonly onBound: (server: Server, appOf: () => number) => void;
  /** How many clients have been accepted so far. */
  readonly received: () => number;
}

interface Bound extends ProxyListener {
  readonly server: Server;
  /** What its clients are given is the one thing of a server that changes. */
  readonly serves: { app: number };
}

/** The addresses that the portable engine listens on, a server each. */
export class ServerSet {
  readonly #options: ServerSetOptions;
  #present: readonly Bound[] = [];

  constructor(options: ServerSetOptions) {
    this.#options = options;
  }

  /** Binds what is new, then closes what is not wanted when it has been accepted from. Fails with `ERR_LISTEN`. */
  async listen(wanted: readonly ProxyListener[]): Promise<readonly ListenAddress[]> {
    const { apps: numbers, onApp, received } = this.#options;
    const { kept, dropped } = planListeners(this.#present, wanted);
    const apps = wanted.map((one) => numbers.ofListener(one));
    for (const app of apps) onApp(app);
    this.#present = await this.#bindMissing(kept, wanted, apps);
    for (const [index, { serves }] of this.#present.entries()) serves.app = apps[index]!.number;
    if (dropped.length > 0) await acceptRest(received);
    for (const { server } of dropped) server.close();
    return this.#present.map(({ server }) => addressOf(server));
  }

  close(): void {
    for (const { server } of this.#present) server.close();
  }

  async #bindMissing(
    kept: readonly (Bound | undefined)[],
    wanted: readonly ProxyListener[],
    apps: readonly App[],
  ): Promise<readonly Bound[]> {
    const bindings = wanted.map(async (one, index): Promise<Bound> => {
      const before = kept[index];
      return before === undefined ? this.#bind(one, apps[index]!) : { ...before, ...one };
    });
    try {
      return await Promise.all(bindings);
    } catch (error) {
      for (const [index, result] of (await Promise.allSettled(bindings)).entries())
        if (result.status === 'fulfilled' && kept[index] === undefined) result.value.server.close();
      throw error;
    }
  }

  async #bind(listener: ProxyListener, { number }: App): Promise<Bound> {
    const { isTooLate, onBound } = this.#options;
    const server = await listenOn(listener.address, listener.setting, isTooLate);
    const serves = { app: number };
    // At once: nobody else would have its clients.
    onBound(server, () => serves.app);
    return { ...listener, server, serves };
  }
}

function addressOf(server: Server): ListenAddress {
  const { address: host, port } = server.address() as AddressInfo;
  return { host, port };
}
