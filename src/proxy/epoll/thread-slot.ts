import type { Acceptor } from './listener-desk.ts';
import type { Command } from './messages.ts';
import type { ThreadHandle } from './thread-handle.ts';

/** One of the data threads; another one of the same number after it has died. */
export class DataThread implements Acceptor {
  readonly index: number;
  handle: ThreadHandle | undefined;
  isReady = false;
  isDrained = false;
  /** Version of the table that it routes by. */
  version = -1;
  /** Deaths and starts that failed, since it has lived for long. */
  failures = 0;
  readySinceMs = Infinity;

  constructor(index: number) {
    this.index = index;
  }

  tell(command: Command): void {
    this.handle?.tell(command);
  }
}
