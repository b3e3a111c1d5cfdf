import { ThreadSlot } from '../thread-slot.ts';
import type { Acceptor } from './listener-desk.ts';
import type { Command } from './messages.ts';
import type { ThreadHandle } from './thread-handle.ts';

/** One of the data threads. */
export class DataThread extends ThreadSlot<ThreadHandle> implements Acceptor {
  tell(command: Command): void {
    this.handle?.tell(command);
  }
}
