/** A segment of this size is sent whatever is under way; larger writes may leave a part that waits without NODELAY. */
export const ONE_SEGMENT_BYTES = 536;

/** Messages up to this length wait for the end of the turn; with longer ones waking the peer is not what costs. */
export const SHORT_BYTES = 2_048;

/** So many messages are written at once, so that none waits long and what was read is still in the caches. */
const MOST_MESSAGES = 64;

/** Whoever has a message in the batch. */
interface Sender {
  /** It is time to write the message, if it is still to be written. */
  send(message: Message): void;
}

/** The bytes of one message, in memory that the next one uses again. */
export class Message {
  #memory = new Uint8Array(SHORT_BYTES);
  #bytes = this.#memory;
  #sender: Sender | undefined;

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  hold(sender: Sender, bytes: Uint8Array): void {
    const { length } = bytes;
    if (this.#bytes.length !== length) this.#bytes = this.#memory.subarray(0, length);
    this.#bytes.set(bytes);
    this.#sender = sender;
  }

  /** Leaves its memory to whoever writes the bytes: they have to stay. */
  giveAway(): void {
    this.#memory = new Uint8Array(SHORT_BYTES);
    this.#bytes = this.#memory;
  }

  send(): void {
    const sender = this.#sender;
    this.#sender = undefined;
    sender?.send(this);
  }
}

/**
 * The short messages of one turn of the event loop, written one after the other at its end.
 *
 *     read read read … │ write write write …      instead of      read write read write …
 *
 * A write wakes its receiver, which costs more than all the rest. Of many in a row most meet a receiver that is awake.
 */
export class Batch {
  #waiting: Message[] = [];
  readonly #idle: Message[] = [];
  // What is sent may have its sender add another one: that one goes into a list of its own.
  readonly #send = (): void => {
    const messages = this.#waiting;
    this.#waiting = [];
    for (const message of messages) {
      message.send();
      this.#idle.push(message);
    }
  };

  add(sender: Sender, bytes: Uint8Array): Message {
    if (this.#waiting.length === MOST_MESSAGES) this.#send();
    if (this.#waiting.length === 0) setImmediate(this.#send);
    const message = this.#idle.pop() ?? new Message();
    message.hold(sender, bytes);
    this.#waiting.push(message);
    return message;
  }
}
