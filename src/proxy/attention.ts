/**
 * Which backends have failed of late, so that a success is worth a message.
 *
 * Nearly every connection succeeds at a backend whose breaker has nothing to forget. A thread tells of successes only
 * while a slot has attention: from its first failure, until who reads the outcomes has read that failure and every
 * other and says that its breaker is at ease.
 *
 *     thread   failed(slot)  ──outcome──►  owner   read(slot)   atEase(slot)
 */
export class Attention {
  readonly memory: Int32Array<SharedArrayBuffer>;
  /** Failures that the owner has read since the slot had attention last. */
  readonly #read = new Map<number, number>();

  /** @param memory one cell a slot */
  constructor(memory: Int32Array<SharedArrayBuffer>) {
    this.memory = memory;
  }

  isOn(slot: number): boolean {
    return Atomics.load(this.memory, slot) > 0;
  }

  /** To be called before the outcome is sent. */
  failed(slot: number): void {
    Atomics.add(this.memory, slot, 1);
  }

  /** The owner has read the outcome of one failure. */
  read(slot: number): void {
    this.#read.set(slot, (this.#read.get(slot) ?? 0) + 1);
  }

  /** The owner's breaker has nothing to forget; a failure that is still under way keeps the attention. */
  atEase(slot: number): void {
    const read = this.#read.get(slot) ?? 0;
    if (Atomics.compareExchange(this.memory, slot, read, 0) === read) this.#read.delete(slot);
  }

  /** Before the slot goes to another backend. */
  clear(slot: number): void {
    Atomics.store(this.memory, slot, 0);
    this.#read.delete(slot);
  }
}
