import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { reset } from '../../src/proxy/reset.ts';
import type { Bell } from './bell.ts';
import { isPattern, patternOf } from './pattern.ts';
import type { Side } from './scripts.ts';

export interface ScriptedPeerOptions {
  readonly side: Side;
  readonly socket: Socket;
  readonly bell: Bell;
  /** Of the stream that it sends, and of the one that it is to receive. */
  readonly keys: { readonly sent: number; readonly received: number };
}

/** One side of a connection that does as it is told, and takes note of what it sees. */
export class ScriptedPeer {
  readonly side: Side;
  readonly socket: Socket;
  readonly #keys: ScriptedPeerOptions['keys'];
  sent = 0;
  received = 0;
  /** The position of the first byte that was not the one that had been sent. */
  wrongAt: number | undefined;
  hasSentFin = false;
  hasSeenFin = false;
  hasAwaitedFin = false;
  /** It has awaited the other FIN before it sent its own. */
  hasFollowed = false;
  /** Both FINs, in the order in which this side has dealt with them. */
  readonly fins: ('sent' | 'seen')[] = [];
  /** It has ended the connection in a way that may cost the other side bytes. */
  hasAborted = false;
  hasReset = false;
  isReading = true;
  error: string | undefined;
  isClosed = false;

  constructor({ side, socket, bell, keys }: ScriptedPeerOptions) {
    this.side = side;
    this.socket = socket;
    this.#keys = keys;
    socket.on('data', (chunk: Buffer) => {
      if (!isPattern(keys.received, this.received, chunk)) this.wrongAt ??= this.received;
      this.received += chunk.length;
      bell.ring();
    });
    socket.once('end', () => {
      this.hasSeenFin = true;
      this.fins.push('seen');
      bell.ring();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
      bell.ring();
    });
    socket.once('close', () => {
      this.isClosed = true;
      bell.ring();
    });
  }

  /** It has said that it will say no more. */
  get isOver(): boolean {
    return this.hasSentFin || this.hasAborted || this.socket.destroyed;
  }

  async send(sizes: readonly number[], apart: boolean): Promise<void> {
    for (const size of sizes) {
      if (this.isOver) return;
      for (const piece of patternOf(this.#keys.sent, this.sent, size)) {
        this.socket.write(piece);
        this.sent += piece.length;
      }
      if (apart) await turn();
    }
  }

  stopReading(): void {
    this.isReading = false;
    this.socket.pause();
  }

  readOn(): void {
    this.isReading = true;
    this.socket.resume();
  }

  fin(): void {
    if (this.isOver) return;
    this.#sendsFin();
    this.socket.end();
  }

  reset(): void {
    if (this.hasAborted) return;
    this.hasAborted = true;
    this.hasReset = true;
    // The other side may have been quicker; what counts as determined must not depend on that.
    if (!this.socket.destroyed) reset(this.socket);
  }

  /** Closes the socket behind its FIN: what comes in return is not read any more, and is answered by a reset. */
  close(): void {
    if (this.hasAborted) return;
    // Whoever has seen the FIN of the other side before has read all there is.
    this.hasAborted = !this.hasAwaitedFin;
    if (this.socket.destroyed) return;
    if (!this.hasSentFin) this.#sendsFin();
    this.socket.destroySoon();
  }

  /** Reads all that is to come and ends, where it has not been told to. */
  finish(): void {
    if (this.socket.destroyed) return;
    this.readOn();
    this.fin();
  }

  describe(): string {
    const { side, sent, received, hasSentFin, hasSeenFin, hasAborted, isReading, error, isClosed } = this;
    return JSON.stringify({
      side,
      sent,
      received,
      hasSentFin,
      hasSeenFin,
      hasAborted,
      isReading,
      error,
      isClosed,
    });
  }

  #sendsFin(): void {
    this.hasSentFin = true;
    this.fins.push('sent');
  }
}
