import { randomBytes } from 'node:crypto';

const BYTES = 48;

export function newTicketKeys(): Uint8Array {
  return randomBytes(BYTES);
}

/**
 * The keys of the tickets by which clients resume sessions: whoever has them may do so, too, and read sessions of
 * TLS 1.2. They are others after each interval, so that those who steal them cannot read what is long over.
 */
export class TicketKeys {
  #present = newTicketKeys();
  readonly #timer: NodeJS.Timeout;

  /** @param onChanged others are in use after an interval; not called for `change` */
  constructor(intervalMs: number, onChanged: () => void) {
    this.#timer = setInterval(() => {
      this.change();
      onChanged();
    }, intervalMs);
    this.#timer.unref();
  }

  get present(): Uint8Array {
    return this.#present;
  }

  /** Uses others from now on. */
  change(): void {
    this.#present = newTicketKeys();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
