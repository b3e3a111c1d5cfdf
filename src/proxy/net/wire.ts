import type { Server } from 'node:net';

/** Longer than any pause of a live peer that answers, shorter than the system's two hours. */
export const KEEP_ALIVE_DELAY_MS = 60_000;

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
  /** Of both sides; undefined for one that has gone already. */
  ends(): WireEnds | undefined;
  /** The kernel has no room at the moment for the rest of what was written. */
  readonly isBusy: boolean;
  /** Who is told that it is closed; for one that was accepted, to be called before anything else. */
  hold(holder: WireHolder): void;
  /** Begins to read for this reader, or goes on reading for it instead of another one. */
  read(reader: WireReader): void;
  /** Stops reading; what is under way to the reader has arrived before this returns. */
  pause(): void;
  /** Goes on reading after a pause. */
  resume(): void;
  /**
   * Hands bytes on and returns how many of all that was handed on the kernel has taken at once, or an error of the
   * system, below zero. Not while the wire is busy.
   *
   * Bytes may wait for the end of this turn of the event loop, and then be taken only in part: the reader is told of
   * what is taken later (`wrote`), and the wire is busy while the kernel has no room. The bytes may be overwritten as
   * soon as this returns if they are what a reader was just given, others only when all are taken.
   */
  write(bytes: Uint8Array): number;
  /** Hands what waits for the end of this turn to the kernel at once; the reader is told. */
  flush(): void;
  /** Bytes that the kernel has taken of a wire that is busy, which its reader has not been told of. */
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
  /**
   * Whether it is known to be gone although nobody reads from it, or to have ended without saying anything.
   *
   * @param hasSpoken it has: that was read before
   */
  hasGone(hasSpoken: boolean): boolean;
}

/** Addresses and ports. */
export interface WireEnds {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
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
  /** The kernel has taken so many more bytes: all that is left, unless the wire is busy now. */
  wrote(wire: Wire, bytes: number): void;
  /** The rest of what was written will never leave. */
  writeFailed(wire: Wire, errorCode: string): void;
}

/** @param descriptor the number by which the process knows it; -1 where that is not to be had */
export type OnClient = (client: Wire, descriptor: number) => void;

/** How sockets are reached. */
export interface Transport {
  /** Takes over the clients of a server that listens, made with `allowHalfOpen` and `pauseOnConnect`. An accept that fails is an `error` of the server. */
  accept(server: Server, onClient: OnClient): void;
  /** Connects to an address; the holder hears of it later, never during the call. */
  dial(host: string, port: number, holder: WireHolder): Wire;
}
