import type { ListenAddress } from '../domain/ports.ts';

interface SideServer {
  readonly address: ListenAddress;
  close(): Promise<void>;
}

/** A listener beside that of the proxy, which settings may want or not, and elsewhere than before. */
export class SideListener<Settings> {
  readonly #start: (settings: Settings) => Promise<SideServer> | undefined;
  #server: SideServer | undefined;
  #isClosed = false;

  /** @param start gives nothing where the settings want none */
  constructor(start: (settings: Settings) => Promise<SideServer> | undefined) {
    this.#start = start;
  }

  get address(): ListenAddress | undefined {
    return this.#server?.address;
  }

  /** Starts what the settings want, then closes what was there; when the start fails, that stays. */
  async follow(settings: Settings): Promise<void> {
    const server = await this.#start(settings);
    const before = this.#server;
    this.#server = server;
    await before?.close();
    if (this.#isClosed) await server?.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#server?.close();
  }
}
