import type { Server } from 'node:net';

/**
 * One side of a connection: a socket of this process, however it is reached.
 *
 *     holder   connected | dialFailed     closed, exactly once and last
 *     reader   took, ended, broke         from `read` until it is closed
 *
 * After `close`, `finish` or `reset` its reader hears nothing more of it.
 */
export interface Wire {
  /** Of the peer; undefined for one that has gone already. */
  readonly remoteAddress: string | undefined;
  /** Bytes that were handed to `write` wait for the kernel to take them. */
  readonly isBusy: boolean;
  /** Who is told that it is closed; for one that was accepted, to be called before anything else. */
  hold(holder: WireHolder): void;
  /** Begins to read for this reader. */
  read(reader: WireReader): void;
  /** Stops reading; what is under way to the reader has arrived before this returns. */
  pause(): void;
  /** Goes on reading after a pause. */
  resume(): void;
  /**
   * Hands bytes to the kernel and returns how many it has taken at once, or an error of the system, below zero.
   *
   * The wire is busy until the rest is taken, which its reader is told of (`wrote`); until then nothing more may be
   * written. The bytes may be overwritten as soon as this returns, if they are the ones that a reader was just given;
   * others only when the wire is not busy any more.
   */
  write(bytes: Uint8Array): number;
  /** Bytes taken by the kernel since the wire has become busy that its reader has not been told of. */
  progress(): number;
  /** Sends a FIN; not while the wire is busy. */
  fin(): void;
  /** The end in order, when both sides have said all: sends the FIN if it is still owed, and closes. */
  finish(): void;
  close(): void;
  /** Closes so that the peer sees a reset. */
  reset(): void;
  keepAlive(delayMs: number): void;
  /** False when the connection is known to be gone although nobody reads from it. */
  isConnected(): boolean;
}

/** Whoever a wire belongs to. */
export interface WireHolder {
  /** A dial has succeeded. */
  connected(wire: Wire): void;
  /** A dial has failed with an error of the system; the wire is closed next. */
  dialFailed(wire: Wire, errorCode: string): void;
  closed(wire: Wire): void;
}

/** Whoever reads from a wire and writes to it. */
export interface WireReader {
  /** Bytes have been read; they are valid during the call only. */
  took(wire: Wire, bytes: Uint8Array): void;
  /** The peer's FIN. */
  ended(wire: Wire): void;
  /** Nothing more can be read; `errorCode` is the system's. */
  broke(wire: Wire, errorCode: string): void;
  /** The kernel has taken the rest of what was written: so many bytes, beside those of `progress`. */
  wrote(wire: Wire, bytes: number): void;
  /** The rest of what was written will never leave. */
  writeFailed(wire: Wire, errorCode: string): void;
}

/** How sockets are reached. */
export interface Transport {
  /** Takes over the clients of a server that listens, made with `allowHalfOpen` and `pauseOnConnect`. An accept that fails is an `error` of the server. */
  accept(server: Server, onClient: (client: Wire) => void): void;
  /** Connects to an address; the holder hears of it later, never during the call. */
  dial(host: string, port: number, holder: WireHolder): Wire;
}
