import type { Backend } from '../../domain/backend.ts';
import { saveState } from './state-file.ts';

export interface StateSaverOptions {
  readonly path: string;
  /** Unix time in milliseconds. */
  readonly wallClock: () => number;
  /** Pause between two writes: a large set that changes all the time must not keep the daemon busy. Default 1 s. */
  readonly pauseMs?: number | undefined;
  /** A write failed (`ERR_STATE_DIR`); the file is as it was, and the next `save` tries again. */
  readonly onError: (error: unknown) => void;
}

export interface StateSaver {
  /** Notes the newest backends; they are written at once, or after the pause. Older unwritten ones are dropped. */
  readonly save: (backends: readonly Backend[]) => void;
  /** Writes what is not written yet, without a pause; resolves when it is on disk or reported to `onError`. */
  readonly flush: () => Promise<void>;
}

const DEFAULT_PAUSE_MS = 1000;

/** Keeps the state file up with the newest backends: one write at a time, and the newest wins. */
export function createStateSaver(options: StateSaverOptions): StateSaver {
  const { path, wallClock, onError, pauseMs = DEFAULT_PAUSE_MS } = options;
  let newest: readonly Backend[] | undefined;
  let writing: Promise<void> | undefined;
  let pause: NodeJS.Timeout | undefined;

  async function write(backends: readonly Backend[]): Promise<void> {
    try {
      await saveState(path, backends, wallClock());
    } catch (error) {
      onError(error);
    }
    writing = undefined;
    // A daemon that ends flushes; the pause alone is no reason to stay alive.
    pause = setTimeout(endPause, pauseMs).unref();
  }

  function writeNewest(): void {
    if (newest === undefined || writing !== undefined) return;
    const backends = newest;
    newest = undefined;
    writing = write(backends);
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
    save(backends) {
      newest = backends;
      if (pause === undefined) writeNewest();
    },
    flush,
  };
}
