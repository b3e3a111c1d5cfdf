export interface LatestWriterOptions<T> {
  /** Writes one value; a rejection goes to `onError`. */
  readonly write: (value: T) => Promise<void>;
  /** Pause between two writes: what changes all the time must not keep the daemon busy. Default 1 s. */
  readonly pauseMs?: number | undefined;
  /** A write failed; the next `save` tries again. */
  readonly onError: (error: unknown) => void;
}

export interface LatestWriter<T> {
  /** Notes the newest value; it is written at once, or after the pause. Older unwritten ones are dropped. */
  readonly save: (value: T) => void;
  /** Writes what is not written yet, without a pause; resolves when it is on disk or reported to `onError`. */
  readonly flush: () => Promise<void>;
}

const DEFAULT_PAUSE_MS = 1000;

/** Writes the newest of many values: one write at a time, and the newest wins. */
export function createLatestWriter<T>(options: LatestWriterOptions<T>): LatestWriter<T> {
  const { onError, pauseMs = DEFAULT_PAUSE_MS } = options;
  let newest: { readonly value: T } | undefined;
  let writing: Promise<void> | undefined;
  let pause: NodeJS.Timeout | undefined;

  async function write(value: T): Promise<void> {
    try {
      await options.write(value);
    } catch (error) {
      onError(error);
    }
    writing = undefined;
    // A daemon that ends flushes; the pause alone is no reason to stay alive.
    pause = setTimeout(endPause, pauseMs).unref();
  }

  function writeNewest(): void {
    if (newest === undefined || writing !== undefined) return;
    const { value } = newest;
    newest = undefined;
    writing = write(value);
  }

  function endPause(): void {
    clearTimeout(pause);
    pause = undefined;
    writeNewest();
  }

  async function flush(): Promise<void> {
    endPause();
    if (writing === undefined) return;
    await writing;
    await flush();
  }

  return {
    save(value) {
      newest = { value };
      if (pause === undefined) writeNewest();
    },
    flush,
  };
}
