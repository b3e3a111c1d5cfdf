import { CELL, type SocketTable } from './socket-table.ts';
import type { WarmSockets } from './warm-sockets.ts';

export interface HeldDialsOptions {
  readonly table: SocketTable;
  readonly warm: WarmSockets;
  /** There is room for the one that this descriptor stands for. */
  readonly onRoom: (fd: number) => void;
}

/**
 * Connects that wait until warm connections of other threads are closed, so that no backend has more connections than
 * its hard limit. Each is a descriptor in the table that is connecting, as far as anybody else can tell.
 */
export class HeldDials {
  readonly #options: HeldDialsOptions;
  /** With its generation. */
  readonly #held = new Map<number, number>();

  constructor(options: HeldDialsOptions) {
    this.#options = options;
  }

  /** Milliseconds until it is to be looked again, at most. */
  get lookMs(): number {
    return this.#held.size > 0 ? 1 : Infinity;
  }

  add(fd: number): void {
    this.#held.set(fd, this.#options.table.get(fd, CELL.GENERATION));
  }

  /** Goes on with those that there is room for. */
  look(): void {
    const { table, warm, onRoom } = this.#options;
    for (const [fd, generation] of this.#held) {
      const isGone = table.get(fd, CELL.GENERATION) !== generation;
      if (!isGone && !warm.makesRoom(table.get(fd, CELL.TENANCY))) continue;
      this.#held.delete(fd);
      if (!isGone) onRoom(fd);
    }
  }
}
