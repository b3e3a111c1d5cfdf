import type { AddressInfo, Server } from 'node:net';
import type { ListenAddress } from '../../domain/ports.ts';
import { EdgeProxyError } from '../../errors.ts';
import { acceptRest } from './accept-rest.ts';
import { listenOn } from './listen-on.ts';

/** The listeners of the portable engine: one, and while that moves those before it as well. */
export class NetListeners {
  readonly #onClosed: () => void;
  readonly #servers = new Set<Server>();
  #isClosing = false;
  #received = 0;

  /** @param onClosed one of them accepts nobody any more */
  constructor(onClosed: () => void) {
    this.#onClosed = onClosed;
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
   * Listens at another address. Resolves when those who have come to the one before are accepted, and that is closed.
   * Rejects with `ERR_LISTEN`, also when nobody is to be accepted any more.
   *
   * @param setting gives the address
   */
  async open(
    address: ListenAddress,
    setting: string,
    acceptFrom: (server: Server) => void,
  ): Promise<ListenAddress> {
    const server = await listenOn(address, setting);
    if (this.#isClosing) {
      server.close();
      throw new EdgeProxyError('ERR_LISTEN', 'no client is accepted any more');
    }
    const before = [...this.#servers];
    this.#servers.add(server);
    acceptFrom(server);
    const { address: host, port } = server.address() as AddressInfo;
    await Promise.all(before.map((one) => this.#retire(one)));
    return { host, port };
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

  async #retire(server: Server): Promise<void> {
    await acceptRest(() => this.#received);
    this.#end(server);
  }

  #end(server: Server): void {
    if (!this.#servers.delete(server)) return;
    server.close();
    this.#onClosed();
  }
}
