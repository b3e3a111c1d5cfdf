/** The place of an `ArrayBuffer` in memory; made by `Sys.addressOf`, valid while the buffer is reachable. */
export type Pointer = number | bigint;

/**
 * The system calls of the event loop. Every call returns what the kernel said, or `-errno`.
 *
 * Descriptors are non-blocking and closed on exec. Whoever passes a pointer keeps its buffer alive and long enough:
 * the kernel writes there.
 */
export interface Sys {
  addressOf(buffer: ArrayBuffer): Pointer;
  /** Fills a socket address (28 bytes at most) and returns the new descriptor. */
  accept(fd: number, address: Pointer): number;
  bind(fd: number, address: Pointer, length: number): number;
  close(fd: number): number;
  /**
   * A TCP socket of a family (`AF`) that has begun to connect, or why it cannot. With `delaysAcks` 1 its
   * acknowledgements wait for data that carries them, from that of the handshake on.
   */
  dial(family: number, address: Pointer, length: number, delaysAcks: 0 | 1): number;
  /** The event's data carries the descriptor in its low half and `generation` in its high one. */
  epollControl(epoll: number, operation: number, fd: number, events: number, generation: number): number;
  epollCreate(): number;
  /** Fills `count` events at most, laid out as `EPOLL_EVENT` says; returns how many. */
  epollWait(epoll: number, events: Pointer, count: number, timeoutMs: number): number;
  eventfd(): number;
  getOption(fd: number, level: number, option: number): number;
  getSocketName(fd: number, address: Pointer): number;
  listen(fd: number, backlog: number): number;
  /** Fills two descriptors: the end to read from, the end to write to. */
  pipe(fds: Pointer): number;
  read(fd: number, into: Pointer, length: number): number;
  recv(fd: number, into: Pointer, length: number): number;
  /** Sends what lies at `from + offset`; never raises SIGPIPE. */
  send(fd: number, from: Pointer, offset: number, length: number, flags: number): number;
  setOption(fd: number, level: number, option: number, value: number): number;
  setOptionAt(fd: number, level: number, option: number, value: Pointer, length: number): number;
  setPipeSize(fd: number, bytes: number): number;
  shutdownWrite(fd: number): number;
  /** A TCP socket of a family (`AF`). */
  socket(family: number): number;
  splice(from: number, to: number, length: number): number;
  /**
   * Receives `length` bytes at most and sends them on at once, with `flags` unless the read was full. Returns what
   * `recv` has; when that is above 0, what `send` has returned is the 32-bit number behind the `length` bytes.
   */
  transfer(from: number, to: number, buffer: Pointer, length: number, flags: number): number;
  write(fd: number, from: Pointer, length: number): number;
}

/** The names of `Sys`, for whoever looks a way to the kernel over before it is used. */
export const SYS_CALLS = [
  'addressOf',
  'accept',
  'bind',
  'close',
  'dial',
  'epollControl',
  'epollCreate',
  'epollWait',
  'eventfd',
  'getOption',
  'getSocketName',
  'listen',
  'pipe',
  'read',
  'recv',
  'send',
  'setOption',
  'setOptionAt',
  'setPipeSize',
  'shutdownWrite',
  'socket',
  'splice',
  'transfer',
  'write',
] as const satisfies readonly (keyof Sys)[];
