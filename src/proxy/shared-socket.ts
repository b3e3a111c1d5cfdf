import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';

type Listener = (...given: unknown[]) => void;

/**
 * A socket that several have, one after the other: what one of them leaves there does not reach the next.
 *
 * Its error has a listener at all times, so that one that comes while nobody listens ends no process.
 */
export class SharedSocket {
  readonly socket: Socket;
  /** What Node itself listens to, and this. */
  readonly #own: ReadonlySet<unknown>;
  readonly #sources = new Set<Readable>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('pipe', (source: Readable) => this.#sources.add(source));
    socket.on('unpipe', (source: Readable) => this.#sources.delete(source));
    this.#own = new Set(socket.eventNames().flatMap((event) => socket.rawListeners(event)));
  }

  /** Takes listeners, pipes, timeout and options of its last user away; false when it can be nobody's any more. */
  clear(): boolean {
    const { socket } = this;
    for (const source of this.#sources) source.unpipe(socket);
    socket.unpipe();
    for (const event of socket.eventNames())
      for (const listener of socket.rawListeners(event))
        if (!this.#own.has(listener)) socket.off(event as string, listener as Listener);
    socket.setTimeout(0).setNoDelay(true).setKeepAlive(false);
    // A decoder stays where it is.
    return !socket.destroyed && socket.readable && socket.writable && socket.readableEncoding === null;
  }
}
