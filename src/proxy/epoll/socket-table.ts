/** What is known of a descriptor; 0 is one that is not ours. */
export const FLAG = {
  OPEN: 0x1,
  /** The client's side of a connection; the other one is the backend's. */
  CLIENT: 0x2,
  /** The connect has not been answered yet. */
  CONNECTING: 0x4,
  /** There may be something to read: the edge has been seen and not been used up. */
  READABLE: 0x8,
  /** Its FIN has been read. */
  READ_ENDED: 0x10,
  /** Its FIN has come, maybe behind bytes. */
  HUNG_UP: 0x20,
  /** What was read from it has not all been taken by its peer. */
  BLOCKED: 0x40,
  /** Waits for its next turn to be read. */
  QUEUED: 0x80,
  /** Backend's side: the client has sent something. */
  ASKED: 0x100,
  /** Backend's side: what it says about the backend has been told. */
  SETTLED: 0x200,
  /** It is in error, or a write to it has failed: what it still says is read, then both sides are reset. */
  BROKEN: 0x400,
  /** A pipe or an epoll instance: nothing but to be closed. */
  HELPER: 0x800,
  /** Backend's side: the kernel probes it for life. */
  KEPT_ALIVE: 0x1000,
  /** It is told when there is room to write again. */
  TELLS_ROOM: 0x2000,
  /** Backend's side: small segments leave at once. */
  PROMPT: 0x4000,
} as const;

/** One row a descriptor. In shared memory, so that the descriptors of a thread that died can be closed. */
export interface SocketTableMemory {
  readonly flags: Uint16Array<SharedArrayBuffer>;
  readonly peers: Int32Array<SharedArrayBuffer>;
  readonly generations: Int32Array<SharedArrayBuffer>;
  readonly tenancies: Int32Array<SharedArrayBuffer>;
  readonly epochs: Int32Array<SharedArrayBuffer>;
  readonly permits: Int32Array<SharedArrayBuffer>;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly since: Int32Array<SharedArrayBuffer>;
  readonly startedUs: Int32Array<SharedArrayBuffer>;
  readonly pipes: Int32Array<SharedArrayBuffer>;
  readonly parked: Int32Array<SharedArrayBuffer>;
  readonly fullReads: Uint8Array<SharedArrayBuffer>;
  readonly next: Int32Array<SharedArrayBuffer>;
  readonly previous: Int32Array<SharedArrayBuffer>;
}

export function newSocketTableMemory(size: number): SocketTableMemory {
  const ints = (perRow = 1) => new Int32Array(new SharedArrayBuffer(size * perRow * 4));
  return {
    flags: new Uint16Array(new SharedArrayBuffer(size * 2)),
    peers: ints(),
    generations: ints(),
    tenancies: ints(),
    epochs: ints(),
    permits: ints(),
    words: ints(4),
    since: ints(),
    startedUs: ints(),
    pipes: ints(),
    parked: ints(),
    fullReads: new Uint8Array(new SharedArrayBuffer(size)),
    next: ints(),
    previous: ints(),
  };
}

/**
 * The state of every descriptor of one thread, in columns: no object, closure or timer a connection.
 *
 * A descriptor number comes back as soon as it has been closed. Its generation tells an event of the old one from
 * an event of the new.
 */
export class SocketTable {
  readonly flags: Uint16Array;
  readonly peers: Int32Array;
  readonly generations: Int32Array;
  /** Both sides: which backend. */
  readonly tenancies: Int32Array;
  /** Backend's side. */
  readonly epochs: Int32Array;
  /** Backend's side. */
  readonly permits: Int32Array;
  /** Client's side: its address, four cells a row. */
  readonly words: Int32Array;
  /**
   * Milliseconds on the loop's clock, wrapping around. Client's side: when it was accepted, then when a byte went
   * through last. Backend's side: when the connect began.
   */
  readonly since: Int32Array;
  /** Backend's side: when the connect began, in microseconds, wrapping around: for how long it took. */
  readonly startedUs: Int32Array;
  /** The number of the pipe that what is read goes through, plus one; 0 is none. */
  readonly pipes: Int32Array;
  /** The number of the parked buffer that holds what was read, plus one; 0 is none. */
  readonly parked: Int32Array;
  /** How many reads in a row were full. */
  readonly fullReads: Uint8Array;
  /** Backend's side: the neighbours in the list of connects under way, plus one. */
  readonly next: Int32Array;
  readonly previous: Int32Array;
  readonly size: number;
  /** No row above it was ever used. */
  highest = 0;

  constructor(memory: SocketTableMemory) {
    this.flags = memory.flags;
    this.peers = memory.peers;
    this.generations = memory.generations;
    this.tenancies = memory.tenancies;
    this.epochs = memory.epochs;
    this.permits = memory.permits;
    this.words = memory.words;
    this.since = memory.since;
    this.startedUs = memory.startedUs;
    this.pipes = memory.pipes;
    this.parked = memory.parked;
    this.fullReads = memory.fullReads;
    this.next = memory.next;
    this.previous = memory.previous;
    this.size = memory.flags.length;
  }

  /** Takes a descriptor over; false when its number is beyond the table. */
  open(fd: number, flags: number): boolean {
    if (fd >= this.size) return false;
    if (fd > this.highest) this.highest = fd;
    this.flags[fd] = flags;
    return true;
  }

  /** Forgets a descriptor that has been, or is about to be, closed. */
  forget(fd: number): void {
    this.flags[fd] = 0;
    this.fullReads[fd] = 0;
    this.generations[fd] = (this.generations[fd]! + 1) | 0;
  }

  has(fd: number, flag: number): boolean {
    return (this.flags[fd]! & flag) !== 0;
  }

  /** The client's descriptor of a connection, given either. */
  clientOf(fd: number): number {
    return this.has(fd, FLAG.CLIENT) ? fd : this.peers[fd]!;
  }

  /** Every descriptor with all of these flags; may be closed while it is walked through. */
  *having(flags: number): Generator<number> {
    for (let fd = 0; fd <= this.highest; fd++) if ((this.flags[fd]! & flags) === flags) yield fd;
  }
}
