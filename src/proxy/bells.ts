/**
 * Wakes threads that run Node's event loop: each has a cell of shared memory, which whoever rings changes.
 *
 * A bell that is rung several times before it is heard is heard once. Nobody who listens keeps a process from ending.
 */
export class Bells {
  readonly #cells: Int32Array<SharedArrayBuffer>;

  /** @param cells one a thread */
  constructor(cells: Int32Array<SharedArrayBuffer>) {
    this.#cells = cells;
  }

  ring(thread: number): void {
    Atomics.add(this.#cells, thread, 1);
    Atomics.notify(this.#cells, thread);
  }

  /** Calls back when the bell of a thread has been rung; returns what ends that. */
  listen(thread: number, onRing: () => void): () => void {
    let isOver = false;
    const wait = async (heard: number): Promise<void> => {
      await Atomics.waitAsync(this.#cells, thread, heard).value;
      if (isOver) return;
      const next = Atomics.load(this.#cells, thread);
      onRing();
      void wait(next);
    };
    void wait(Atomics.load(this.#cells, thread));
    return () => {
      isOver = true;
      this.ring(thread);
    };
  }
}
