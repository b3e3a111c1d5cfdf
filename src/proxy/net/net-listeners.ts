import type { AddressInfo, Server } from 'node:net';
import type { ListenAddress, ProxyListener } from '../../domain/ports.ts';
import { EdgeProxyError } from '../../errors.ts';
import type { App, Apps } from '../apps.ts';
import { planListeners } from '../listener-plan.ts';
import { acceptRest } from './accept-rest.ts';
import { listenOn } from './listen-on.ts';

export interface NetListenersOptions {
  readonly apps: Apps;
  /** Others may listen at the same addresses that want to share them, too. */
  readonly sharesPort: boolean;
  /** Clients of an app may come from now on. */
  readonly onApp: (app: App) => void;
  /** Takes the clients of a server over that has just been bound. @param appOf number of their app, asked for each */
  readonly onBound: (server: Server, appOf: () => number) => void;
  /** A listener accepts nobody any more. */
  readonly onClosed: () => void;
}

interface Bound extends ProxyListener {
  readonly server: Server;
  /** What its clients are given is the one thing of a server that changes. */
  readonly serves: { app: number };
}

/** The listeners of the portable engine, a server each; while some are replaced those before them as well. */
export class NetListeners {
  readonly #options: NetListenersOptions;
  #present: readonly Bound[] = [];
  readonly #servers = new Set<Server>();
  #isClosing = false;
  #received = 0;

  constructor(options: NetListenersOptions) {
    this.#options = options;
  }

  /** Whether somebody may still be accepted. */
  get isOpen(): boolean {
    return this.#servers.size > 0;
  }

  /** A client has been accepted. */
  received(): void {
    this.#received++;
  }

  /**
   * Binds what is new. Resolves when those who have come to what is not wanted any more are accepted, and that is
   * closed. Rejects with `ERR_LISTEN`, also when nobody is to be accepted any more, and then all is as before.
   */
  async listen(wanted: readonly ProxyListener[]): Promise<readonly ListenAddress[]> {
    const { apps: numbers, onApp } = this.#options;
    const { kept, dropped } = planListeners(this.#present, wanted);
    const apps = wanted.map((one) => numbers.ofListener(one));
    for (const app of apps) onApp(app);
    this.#present = await this.#bindMissing(kept, wanted, apps);
    for (const [index, { serves }] of this.#present.entries()) serves.app = apps[index]!.number;
    const addresses = this.#present.map(({ server }) => addressOf(server));
    await Promise.all(dropped.map(({ server }) => this.#retire(server)));
    return addresses;
  }

  /** Accepts everybody who has come so far, and nobody any more. */
  close(): void {
    this.#isClosing = true;
    for (const server of this.#servers) void this.#retire(server);
  }

  /** Closes them, whoever waits. */
  abandon(): void {
    this.#isClosing = true;
    for (const server of this.#servers) this.#end(server);
  }

  async #bindMissing(
    kept: readonly (Bound | undefined)[],
    wanted: readonly ProxyListener[],
    apps: readonly App[],
  ): Promise<readonly Bound[]> {
    const bindings = wanted.map(async (one, index): Promise<Bound> => {
      const before = kept[index];
      if (before === undefined) return this.#bind(one, apps[index]!);
      return { ...one, server: before.server, serves: before.serves };
    });
    try {
      return await Promise.all(bindings);
    } catch (error) {
      for (const [index, result] of (await Promise.allSettled(bindings)).entries())
        if (result.status === 'fulfilled' && kept[index] === undefined)
          void this.#retire(result.value.server);
      throw error;
    }
  }

  async #bind(listener: ProxyListener, { number }: App): Promise<Bound> {
    const { setting, address } = listener;
    const { sharesPort } = this.#options;
    const server = await listenOn({ address, setting, sharesPort });
    if (this.#isClosing) {
      server.close();
      throw new EdgeProxyError('ERR_LISTEN', 'no client is accepted any more');
    }
    const serves = { app: number };
    this.#servers.add(server);
    // At once: nobody else would have its clients.
    this.#options.onBound(server, () => serves.app);
    return { ...listener, server, serves };
  }

  async #retire(server: Server): Promise<void> {
    await acceptRest(() => this.#received);
    this.#end(server);
  }

  #end(server: Server): void {
    if (!this.#servers.delete(server)) return;
    server.close();
    this.#options.onClosed();
  }
}

function addressOf(server: Server): ListenAddress {
  const { address: host, port } = server.address() as AddressInfo;
  return { host, port };
}
