import type { WarmWires } from './warm-wires.ts';

/** A client that has a place, and whose connection may have to wait. */
export interface DialHolder {
  /** There is room now: it is held no more. */
  mayDial(): void;
  /** It has been closed while it was held. */
  closed(dial: HeldDial): void;
}

/** A connection that is not opened yet. */
export interface HeldDial {
  /** It is not to be opened; nothing when it is held no more. */
  close(): void;
}

/** Until somebody looks again: nobody tells when another thread has closed what is in the way. */
const LOOK_MS = 1;

/**
 * Connects that wait until warm connections of other threads are closed, so that no backend has more connections than
 * its hard limit.
 */
export class HeldDials {
  readonly #warm: Pick<WarmWires, 'makesRoom'>;
  /** By tenancy, in the order in which they came. */
  readonly #held = new Map<DialHolder, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(warm: Pick<WarmWires, 'makesRoom'>) {
    this.#warm = warm;
  }

  add(holder: DialHolder, tenancy: number): HeldDial {
    this.#held.set(holder, tenancy);
    if (this.#timer === undefined) this.#wait();
    const dial: HeldDial = {
      close: () => {
        if (this.#held.delete(holder)) holder.closed(dial);
      },
    };
    return dial;
  }

  /** Goes on with those that there is room for. */
  look(): void {
    for (const [holder, tenancy] of this.#held) {
      if (!this.#warm.makesRoom(tenancy)) continue;
      this.#held.delete(holder);
      holder.mayDial();
    }
  }

  #wait(): void {
    this.#timer = setTimeout(() => this.#expire(), LOOK_MS);
  }

  #expire(): void {
    this.#timer = undefined;
    this.look();
    if (this.#held.size > 0 && this.#timer === undefined) this.#wait();
  }
}
