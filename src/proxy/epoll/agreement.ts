/** Versions of what all threads are to go by, and who waits until they do. */
export class Agreement {
  #version = 0;
  #awaited: readonly { readonly version: number; readonly resolve: () => void }[] = [];

  /** The newest one. */
  get version(): number {
    return this.#version;
  }

  /** Begins a newer version; resolves when all go by it, or by one that is newer still. */
  next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#awaited = [...this.#awaited, { version: ++this.#version, resolve }];
    return promise;
  }

  /** @param oldest version that somebody goes by; `Infinity` where there is nobody */
  reached(oldest: number): void {
    for (const { version, resolve } of this.#awaited) if (version <= oldest) resolve();
    this.#awaited = this.#awaited.filter(({ version }) => version > oldest);
  }
}
