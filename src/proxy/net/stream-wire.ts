import { connect, type Server, type Socket } from 'node:net';
import { reset } from '../reset.ts';
import type { OnClient, Transport, Wire, WireEnds, WireHolder, WireReader } from './wire.ts';

/**
 * A socket as a stream of Node, by its public API alone; also one that encrypts, on another one below.
 *
 * Node closes a stream whose write has failed, with whatever its peer has still said; and nothing is known of a peer
 * that is not read from.
 */
export class StreamWire implements Wire {
  readonly socket: Socket;
  /** What the peer sees of it. */
  readonly #lowest: Socket;
  #holder: WireHolder | undefined;
  #reader: WireReader | undefined;
  #left = 0;
  /** Nothing is told any more but that it is closed. */
  #isOver = false;
  readonly #onWritten = (error?: Error | null): void => {
    // One write is told of another one's bytes when both were made in one turn: those are still to come.
    if (error || this.#left === 0 || this.#isOver || this.socket.writableLength > 0) return;
    const taken = this.#left;
    this.#left = 0;
    this.#reader?.wrote(this, taken);
  };

  constructor(socket: Socket, lowest = socket) {
    this.socket = socket;
    this.#lowest = lowest;
    socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error));
    socket.once('connect', () => this.#holder?.connected(this));
    socket.once('close', () => {
      this.#isOver = true;
      this.#holder?.closed(this);
    });
  }

  get remoteAddress(): string | undefined {
    return this.socket.remoteAddress;
  }

  ends(): WireEnds | undefined {
    const { remoteAddress, remotePort, localAddress, localPort } = this.socket;
    if (remoteAddress === undefined || remotePort === undefined) return undefined;
    if (localAddress === undefined || localPort === undefined) return undefined;
    return { remoteAddress, remotePort, localAddress, localPort };
  }

  get isBusy(): boolean {
    return this.#left > 0;
  }

  hold(holder: WireHolder): void {
    this.#holder = holder;
  }

  read(reader: WireReader): void {
    if (this.#reader === undefined) this.#listen();
    this.#reader = reader;
    this.socket.resume();
    // Its event has gone to whoever read before.
    if (this.socket.readableEnded) process.nextTick(() => this.#ended(reader));
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  write(bytes: Uint8Array): number {
    this.socket.write(bytes, this.#onWritten);
    // Its event follows.
    if (this.socket.errored !== null) return 0;
    this.#left = this.socket.writableLength;
    return bytes.length - this.#left;
  }

  flush(): void {}

  progress(): number {
    return 0;
  }

  fin(): void {
    this.socket.end();
  }

  finish(): void {
    this.#isOver = true;
    this.socket.end();
  }

  close(): void {
    this.#isOver = true;
    this.socket.destroy();
  }

  reset(): void {
    this.#isOver = true;
    reset(this.socket, this.#lowest);
  }

  keepAlive(delayMs: number): void {
    this.socket.setKeepAlive(true, delayMs);
  }

  isConnected(): boolean {
    return true;
  }

  hasGone(hasSpoken: boolean): boolean {
    const { socket } = this;
    // Has the stream notice an end that nothing comes before; what it has read stays in it.
    if (socket.readableLength === 0) socket.read(0);
    return socket.destroyed || (socket.readableEnded && !hasSpoken);
  }

  #listen(): void {
    this.socket.on('data', (bytes: Buffer) => {
      if (!this.#isOver) this.#reader?.took(this, bytes);
    });
    this.socket.once('end', () => this.#ended(this.#reader));
  }

  #ended(reader: WireReader | undefined): void {
    if (!this.#isOver && reader === this.#reader) reader?.ended(this);
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (this.#isOver) return;
    const code = error.code ?? error.message;
    if (this.#reader === undefined) this.#holder?.dialFailed(this, code);
    else if (error.syscall === 'write') this.#reader.writeFailed(this, code);
    else this.#reader.broke(this, code);
  }
}

function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd ?? -1;
}

/** The portable engine's way where Node has no handles as expected. */
export class StreamTransport implements Transport {
  accept(server: Server, onClient: OnClient): void {
    server.on('connection', (socket) => {
      socket.setNoDelay(true);
      onClient(new StreamWire(socket), descriptorOf(socket));
    });
  }

  dial(host: string, port: number, holder: WireHolder): Wire {
    const wire = new StreamWire(connect({ host, port, allowHalfOpen: true, noDelay: true }));
    wire.hold(holder);
    return wire;
  }
}
