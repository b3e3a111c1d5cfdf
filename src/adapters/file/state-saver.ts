import type { Backend } from '../../domain/backend.ts';
import { createLatestWriter, type LatestWriter, type LatestWriterOptions } from './latest-writer.ts';
import { saveState } from './state-file.ts';

export interface StateSaverOptions extends Omit<LatestWriterOptions<readonly Backend[]>, 'write'> {
  readonly path: string;
  /** Unix time in milliseconds. */
  readonly wallClock: () => number;
}

export type StateSaver = LatestWriter<readonly Backend[]>;

/** Keeps the state file up with the newest backends; an error is an `ERR_STATE_DIR`, and the file is as it was. */
export function createStateSaver({ path, wallClock, ...options }: StateSaverOptions): StateSaver {
  return createLatestWriter({
    ...options,
    write: (backends) => saveState(path, backends, wallClock()),
  });
}
