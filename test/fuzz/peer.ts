import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { reset } from '../../src/proxy/reset.ts';
import type { Random } from './random.ts';
import { Incoming, type Outgoing, type Streams } from './streams.ts';

const MOST_ACTIONS = 14;
const LONGEST_PAUSE_MS = 60;
const LONGEST_DEAFNESS_MS = 400;

/** How a peer ends; all but the first may cost the other side bytes. */
const ENDS = { fin: 12, closeSoon: 3, close: 2, reset: 4 } as const;
const ACTIONS = {
  send: 8,
  many: 2,
  flood: 0.4,
  rest: 4,
  turnDeaf: 2,
  turnAgain: 2,
  awaitDrain: 2,
  fin: 0.7,
  leave: 1,
};

/** One end of a connection that does what comes to its mind; what it receives is checked, how it ends is noted. */
export class Peer {
  readonly name: string;
  readonly socket: Socket;
  readonly own: Outgoing;
  readonly #incoming: Incoming;
  readonly #random: Random;
  #doing = 'begins';
  /** It has come to the end of its doings, and reads whatever still comes. */
  isDone = false;
  readonly startedMs = performance.now();
  /** Resolves when its socket is closed. */
  readonly closed: Promise<void>;
  #error: string | undefined;

  constructor(name: string, socket: Socket, streams: Streams, random: Random) {
    this.name = name;
    this.socket = socket;
    this.#random = random;
    this.own = streams.open();
    this.#incoming = new Incoming(streams, this.own);
    socket.on('data', (chunk: Buffer) => this.#incoming.take(chunk));
    socket.once('end', () => this.#incoming.ended());
    socket.on('error', (error: NodeJS.ErrnoException) => (this.#error = error.code));
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    // The other side may still be reading; a stream that long is nobody's any more.
    void this.closed.then(() => setTimeout(() => streams.forget(this.own), 60_000).unref());
  }

  get received(): number {
    return this.#incoming.received;
  }

  /** Resolves when something has come, or the socket is closed. */
  heard(): Promise<void> {
    return Promise.race([
      this.closed,
      new Promise<void>((resolve) => this.socket.once('data', () => resolve())),
    ]);
  }

  /** Lives a life of its own, in the end orderly or not. */
  async live(): Promise<void> {
    for (let left = this.#random.int(0, MOST_ACTIONS); left > 0 && !this.socket.destroyed; left--)
      if (!(await this.#act())) break;
    this.#end(this.#random.choose(ENDS));
  }

  /** Ends without having said anything. */
  leave(how: keyof typeof ENDS): void {
    this.#end(how);
  }

  /** Neither reads nor says anything for a while, then is gone. */
  async vanish(): Promise<void> {
    this.#doing = 'plays dead';
    this.socket.pause();
    await Promise.race([delay(this.#random.int(0, 3_000)), this.closed]);
    this.#end('close');
  }

  describe(): string {
    const { destroyed, readableEnded, writableEnded, writableLength } = this.socket;
    const state = { destroyed, readableEnded, writableEnded, writableLength, error: this.#error };
    const ageMs = Math.round(performance.now() - this.startedMs);
    return `${this.name} ${JSON.stringify({ key: this.own.key, doing: this.#doing, ageMs, sent: this.own.sent, received: this.received, ...state })}`;
  }

  /** False: enough. */
  async #act(): Promise<boolean> {
    const random = this.#random;
    const action = random.choose(ACTIONS);
    this.#doing = action;
    switch (action) {
      case 'send':
        this.#send(random.chance(0.5) ? random.int(1, 4_000) : random.int(1, 300_000));
        return true;
      case 'many':
        for (let count = random.int(5, 60); count > 0; count--) {
          this.#send(random.int(1, 300));
          if (random.chance(0.1)) await delay(0);
        }
        return true;
      case 'flood':
        this.#send(random.int(3_000_000, 12_000_000));
        return true;
      case 'rest':
        await delay(random.int(0, LONGEST_PAUSE_MS));
        return true;
      case 'turnDeaf':
        this.socket.pause();
        if (random.chance(0.7)) await delay(random.int(0, LONGEST_DEAFNESS_MS));
        return true;
      case 'turnAgain':
        this.socket.resume();
        return true;
      case 'awaitDrain':
        this.socket.resume();
        if (this.socket.writableNeedDrain) await Promise.race([this.#drained(), this.closed, delay(2_000)]);
        return true;
      case 'fin':
        this.own.hasSentFin = true;
        this.socket.end();
        return true;
      case 'leave':
        return false;
      default:
        return action satisfies never;
    }
  }

  #send(length: number): void {
    if (this.own.hasSentFin || this.socket.destroyed) return;
    for (const piece of this.own.take(length)) this.socket.write(piece);
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => this.socket.once('drain', () => resolve()));
  }

  #end(how: keyof typeof ENDS): void {
    this.#doing = how;
    this.isDone = true;
    if (this.socket.destroyed) return;
    switch (how) {
      case 'fin':
        this.own.hasSentFin = true;
        this.socket.resume().end();
        return;
      case 'closeSoon':
        this.own.hasSentFin = true;
        // It reads what comes until its own last byte has left, or neither side might ever get any further.
        this.socket.resume().destroySoon();
        return;
      case 'close':
        this.own.isCut = true;
        this.socket.destroy();
        return;
      case 'reset':
        reset(this.socket);
        return;
      default:
        how satisfies never;
    }
  }
}
