export interface StateSaverOptions<T> {
  readonly write: (newest: T) => Promise<void>;
  /** Pause between two writes: a large set that changes all the time must not keep the daemon busy. Default 1 s. */
  readonly pauseMs?: number | undefined;
  /** A write failed (`ERR_STATE_DIR`); the file is as it was, and the next `save` tries again. */
  readonly onError: (error: unknown) => void;
}

export interface StateSaver<T> {
  /** Notes the newest state; it is written at once, or after the pause. Older unwritten ones are dropped. */
  readonly save: (newest: T) => void;
  /** Writes what is not written yet, without a pause; resolves when it is on disk or reported to `onError`. */
  readonly flush: () => Promise<void>;
}

const DEFAULT_PAUSE_MS = 1000;

/** Keeps a state file up with the newest state: one write at a time, and the newest wins. */
export function createStateSaver<T extends object>(options: StateSaverOptions<T>): StateSaver<T> {
  const { onError, pauseMs = DEFAULT_PAUSE_MS } = options;
  let newest: T | undefined;
  let writing: Promise<void> | undefined;
  let pause: NodeJS.Timeout | undefined;

  async function write(state: T): Promise<void> {
    try {
      await options.write(state);
    } catch (error) {
      onError(error);
    }
    writing = undefined;
    // A daemon that ends flushes; the pause alone is no reason to stay alive.
    pause = setTimeout(endPause, pauseMs).unref();
  }

  function writeNewest(): void {
    if (newest === undefined || writing !== undefined) return;
    const state = newest;
    newest = undefined;
    writing = write(state);
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
    save(state) {
      newest = state;
      if (pause === undefined) writeNewest();
    },
    flush,
  };
}
