import { getSystemErrorName } from 'node:util';
import { type Message, ONE_SEGMENT_BYTES, SHORT_BYTES } from './batch.ts';
import {
  END_OF_FILE,
  endsOf,
  type HandleEnd,
  type ShutdownRequest,
  type TcpHandle,
  type WriteRequest,
} from './handles.ts';
import { READ_BYTES } from './read-memory.ts';
import type { WireContext } from './wire-context.ts';
import type { Wire, WireEnds, WireHolder, WireReader } from './wire.ts';

/** Small reads in a row after which bulk is over. */
const SMALL_READS = 4;
const SMALL_BYTES = 16_384;

/** An object of Node that knows its wire, and what it holds on to. */
type Owned<T> = T & { wire?: HandleWire; bytes?: Uint8Array };

/**
 * A socket by its handle, below `net.Socket`: no stream, no event, and no memory but while something waits.
 *
 * A FIN leaves in the next turn of the event loop; a reset that comes before waits for it, as libuv refuses it then.
 */
export class HandleWire implements Wire {
  readonly #context: WireContext;
  readonly #handle: Owned<TcpHandle>;
  #holder: WireHolder | undefined;
  #reader: WireReader | undefined;
  /** This one's alone, while it carries bulk. */
  #own: Uint8Array | undefined;
  #smallReads = 0;
  /** Bytes of the last write that the kernel has not taken yet, as far as was looked. */
  #left = 0;
  #lent: Uint8Array | undefined;
  /** Waits for the end of the turn. */
  #message: Message | undefined;
  #hasWritten = false;
  #isPrompt = false;
  #isReading = false;
  #isClosed = false;
  #fin: 'none' | 'under way' | 'sent' = 'none';
  #resetsAfterFin = false;

  constructor(handle: TcpHandle, context: WireContext) {
    this.#handle = handle;
    this.#context = context;
    this.#handle.wire = this;
  }

  get remoteAddress(): string | undefined {
    const peer: HandleEnd = {};
    return this.#handle.getpeername(peer) === 0 ? peer.address : undefined;
  }

  ends(): WireEnds | undefined {
    return endsOf(this.#handle);
  }

  get isBusy(): boolean {
    return this.#left > 0;
  }

  hold(holder: WireHolder): void {
    this.#holder = holder;
  }

  read(reader: WireReader): void {
    if (this.#reader === undefined) {
      this.#handle.onread = onRead;
      this.#handle.useUserBuffer(this.#context.memory.shared);
    }
    this.#reader = reader;
    this.resume();
  }

  pause(): void {
    if (!this.#isReading || this.#isClosed) return;
    this.#isReading = false;
    this.#handle.readStop();
  }

  resume(): void {
    if (this.#isReading || this.#isClosed) return;
    this.#isReading = true;
    this.#handle.readStart();
  }

  write(bytes: Uint8Array): number {
    if (this.#message !== undefined) return this.#writeAt(Buffer.concat([this.#takeMessage(), bytes]));
    if (bytes.length > SHORT_BYTES) return this.#writeAt(bytes);
    this.#message = this.#context.batch.add(this, bytes);
    return 0;
  }

  flush(): void {
    if (this.#message !== undefined) this.send(this.#message);
  }

  /** The batch is written. */
  send(message: Message): void {
    if (message !== this.#message) return;
    this.#message = undefined;
    const taken = this.#write(message.bytes);
    if (this.isBusy) message.giveAway();
    if (taken < 0) this.#reader!.writeFailed(this, getSystemErrorName(taken));
    else this.#reader!.wrote(this, taken);
  }

  progress(): number {
    if (this.#left === 0 || this.#isClosed) return 0;
    // The last byte is left to `wrote`: until then the wire is busy.
    const left = Math.max(1, this.#handle.writeQueueSize);
    const taken = this.#left - left;
    this.#left = left;
    return taken;
  }

  fin(): void {
    if (this.#fin !== 'none' || this.#isClosed) return;
    const request: Owned<ShutdownRequest> = this.#context.handles.newShutdown();
    request.wire = this;
    request.oncomplete = onFinSent;
    // One that cannot be sent has no peer any more, which reading tells.
    this.#fin = this.#handle.shutdown(request) === 0 ? 'under way' : 'sent';
  }

  finish(): void {
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handle.close();
    this.#release();
  }

  reset(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#message = undefined;
    if (this.#fin === 'under way') {
      this.#resetsAfterFin = true;
      this.#handle.readStop();
      return;
    }
    this.#handle.reset();
    this.#release();
  }

  keepAlive(delayMs: number): void {
    if (!this.#isClosed) this.#handle.setKeepAlive(true, delayMs / 1000);
  }

  isConnected(): boolean {
    return this.#isClosed || this.#handle.getpeername({}) === 0;
  }

  /** Its end cannot be told from what it may have said. */
  hasGone(): boolean {
    return !this.isConnected();
  }

  /** The dial that made this wire is over; `status` is 0 or an error, below zero. */
  dialled(status: number): void {
    if (this.#isClosed) return;
    if (status === 0) return this.#holder?.connected(this);
    this.#holder?.dialFailed(this, getSystemErrorName(status));
    this.close();
  }

  /** Something has been read, or the end. Returns the buffer of the next read when it is another one. */
  received(): Uint8Array | undefined {
    const { handles } = this.#context;
    const result = handles.state[handles.readResult]!;
    if (this.#isClosed || result === 0) return undefined;
    const reader = this.#reader!;
    if (result > 0) {
      const own = this.#own;
      const bytes = own === undefined ? this.#context.memory.sharedBytes(result) : own.subarray(0, result);
      reader.took(this, bytes);
      return own === undefined && result < READ_BYTES ? undefined : this.#nextBuffer(result);
    }
    this.#isReading = false;
    if (result === END_OF_FILE) reader.ended(this);
    else reader.broke(this, getSystemErrorName(result));
    return undefined;
  }

  /** The rest of a write has been taken, or failed. */
  written(status: number): void {
    if (this.#isClosed) return;
    const left = this.#left;
    this.#left = 0;
    this.#giveBackLent();
    if (status < 0) this.#reader!.writeFailed(this, getSystemErrorName(status));
    else this.#reader!.wrote(this, left);
  }

  finSent(): void {
    this.#fin = 'sent';
    if (!this.#resetsAfterFin) return;
    this.#resetsAfterFin = false;
    this.#handle.reset();
    this.#release();
  }

  /** Writes bytes that may be overwritten when this returns, or not, as the memory says. */
  #writeAt(bytes: Uint8Array): number {
    const { memory } = this.#context;
    if (!memory.isShared(bytes)) return this.#write(bytes);
    const taken = this.#write(memory.stage(bytes));
    if (this.isBusy) this.#lent = memory.lendStaged();
    return taken;
  }

  /** Writes bytes that stay as they are while the wire is busy. */
  #write(bytes: Uint8Array): number {
    const { handles } = this.#context;
    if (!this.#isPrompt) this.#makePrompt(bytes.length);
    const request: number | Owned<WriteRequest> = this.#handle.writeBuffer(null, bytes);
    if (typeof request === 'number') return request === 0 ? bytes.length : request;
    const error = handles.state[handles.lastWriteError]!;
    if (error !== 0) return error;
    if (typeof request.writeStatus === 'number') return request.writeStatus || bytes.length;
    // libuv may have found room at its second look.
    const left = this.#handle.writeQueueSize;
    request.oncomplete = left === 0 ? ignore : onWritten;
    if (left === 0) return bytes.length;
    request.wire = this;
    request.bytes = bytes;
    this.#left = left;
    return bytes.length - left;
  }

  #takeMessage(): Uint8Array {
    const { bytes } = this.#message!;
    this.#message = undefined;
    return bytes;
  }

  /** Has small segments leave at once, from when they might wait otherwise: most connections do not come to that. */
  #makePrompt(bytes: number): void {
    if (this.#hasWritten || bytes > ONE_SEGMENT_BYTES) {
      this.#isPrompt = true;
      this.#handle.setNoDelay(true);
    }
    this.#hasWritten = true;
  }

  #nextBuffer(read: number): Uint8Array | undefined {
    const { memory } = this.#context;
    if (this.#isClosed) return undefined;
    if (this.#own === undefined) {
      this.#smallReads = 0;
      return (this.#own = memory.take());
    }
    this.#smallReads = read < SMALL_BYTES ? this.#smallReads + 1 : 0;
    // One that does not read may have bytes in its buffer that still have to leave.
    if (this.#smallReads < SMALL_READS || !this.#isReading) return undefined;
    memory.giveBack(this.#own);
    this.#own = undefined;
    return memory.shared;
  }

  #giveBackLent(): void {
    if (this.#lent !== undefined) this.#context.memory.giveBack(this.#lent);
    this.#lent = undefined;
  }

  #release(): void {
    this.#message = undefined;
    this.#giveBackLent();
    if (this.#own !== undefined) this.#context.memory.giveBack(this.#own);
    this.#own = undefined;
    this.#holder?.closed(this);
  }
}

/** As its handle or request calls it back: `this` is the object of Node that knows the wire. */
function onRead(this: Owned<TcpHandle>): Uint8Array | undefined {
  return this.wire!.received();
}

function onWritten(this: Owned<WriteRequest>, status: number): void {
  this.wire!.written(status);
}

function ignore(): void {}

function onFinSent(this: Owned<ShutdownRequest>): void {
  this.wire!.finSent();
}
