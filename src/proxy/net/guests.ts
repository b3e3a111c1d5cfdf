import type { ConnectionLimits } from '../connection-limits.ts';
import type { Guest } from './guest.ts';

/** The clients that an engine has admitted, with where the limits of connections count each. */
export class Guests {
  readonly #limits: ConnectionLimits;
  readonly #counted = new Map<Guest, number>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#counted.size;
  }

  get all(): readonly Guest[] {
    return [...this.#counted.keys()];
  }

  /** @param counted as `ConnectionLimits.enter` has said */
  add(guest: Guest, counted: number): void {
    this.#counted.set(guest, counted);
  }

  /** A client goes on as another guest. */
  replace(guest: Guest, next: Guest): void {
    this.#counted.set(next, this.#counted.get(guest)!);
    this.#counted.delete(guest);
  }

  ended(guest: Guest): void {
    this.#limits.leave(guest.address.words, this.#counted.get(guest) ?? 0);
    this.#counted.delete(guest);
  }

  /** The limits have changed. */
  recount(): void {
    for (const [guest, counted] of this.#counted)
      this.#counted.set(guest, this.#limits.count(guest.address.words, counted));
  }

  leaveBackend(incarnation: string): void {
    for (const guest of this.#counted.keys()) if (guest.incarnation === incarnation) guest.leaveBackend();
  }

  check(nowMs: number): void {
    for (const guest of this.#counted.keys()) guest.check(nowMs);
  }
}
