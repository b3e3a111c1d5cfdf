import type { IpAddress } from '../ip-address.ts';
import { sharedInts } from '../shared-columns.ts';

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
  /** It has sent urgent data: a read may end at the mark, with more behind it. */
  URGENT: 0x8000,
  /** Somebody who has not said yet, in a PROXY header, for whom it speaks: no client so far. */
  AWAITS_HEADER: 0x1_0000,
  /** Backend's side: the connection begins with a PROXY header of this version. */
  TAKES_V1: 0x2_0000,
  TAKES_V2: 0x4_0000,
  /** Client's side: it waits for a place at a backend. */
  WAITS: 0x8_0000,
  /** Client's side: `Announcements` has something of it. */
  ANNOUNCED: 0x10_0000,
  /** Backend's side: in the pool, or on the way there; nobody's. */
  WARM: 0x20_0000,
  /** Both sides: the connection is from the pool, and nothing has gone through it. */
  UNUSED: 0x40_0000,
  /** Backend's side: dialled in the stead of one from the pool, which has been counted. */
  REDIALLED: 0x200_0000,
  /** Backend's side: no connection, but the place of one that is to be opened. */
  HELD: 0x400_0000,
  /** Client's side, two bits: where the limits of connections count it, as `COUNTED` has it. */
  COUNTED: 0x180_0000,
  /** Client's side: whose backends it is given, its TLS greeting has not said yet. */
  AWAITS_HELLO: 0x800_0000,
} as const;

/** What a row holds. */
export const CELL = {
  FLAGS: 0,
  /** The other side of the connection. */
  PEER: 1,
  /** How often the descriptor has been closed. */
  GENERATION: 2,
  /** Which backend. While a client waits for one: its ticket. */
  TENANCY: 3,
  TICKET: 3,
  /** Backend's side: of its breaker, when it was connected to. Client's side: its port, above that its app. */
  EPOCH: 4,
  PORT: 4,
  /** Backend's side: the permit that it holds. While a header, a greeting or a place is awaited: a neighbour, plus one. */
  PERMIT: 5,
  NEXT_AWAITED: 5,
  /**
   * Milliseconds on the loop's clock, wrapping around. Client's side: when it was accepted, then when a byte went
   * or a FIN went through last. Backend's side: when the connect began, then when the client's first byte went there.
   */
  SINCE: 6,
  /**
   * Backend's side: when the connect began, in microseconds, wrapping around: for how long it took. From the pool: how
   * long it took.
   */
  STARTED_US: 7,
  /** While a header, a greeting or a place is awaited: the other neighbour. */
  PREVIOUS_AWAITED: 7,
  /** The number of the pipe that what is read goes through, plus one; 0 is none. */
  PIPE: 8,
  /** The number of the parked buffer that holds what was read, plus one; 0 is none. */
  PARKED: 9,
  /** Reads in a row that were full; small ones that are allowed, once they go through a pipe. */
  READS: 10,
  /** Backend's side: the neighbours in the list of connects under way, plus one. Client's side: its address. */
  NEXT: 11,
  PREVIOUS: 12,
  /** Backend's side, from the pool: when it was connected, in milliseconds on the loop's clock, wrapping around. */
  BORN: 11,
  ADDRESS: 11,
  /** Client's side: when it was accepted, in whole seconds of Unix time. */
  ACCEPTED_SECS: 15,
} as const;

/**
 * What a row holds as numbers of 64 bits, in the place of two cells each. Backend's side, once its connection is one:
 * the bytes that were handed on.
 */
const NUMBER = { SENT: 6, RECEIVED: 7 } as const;

const ROW_SHIFT = 4;
const NUMBERS_SHIFT = 3;
const COUNTED_SHIFT = 23;
const APP_SHIFT = 16;
const PORT_MASK = (1 << APP_SHIFT) - 1;
const ADDRESS_WORDS = 4;

export type SocketTableMemory = Int32Array<SharedArrayBuffer>;

/**
 * In shared memory, so that the descriptors of a thread that died can be closed: the rows, then the number of the
 * highest row that was ever used.
 *
 * @param rows one a descriptor
 */
export function newSocketTableMemory(rows: number): SocketTableMemory {
  return sharedInts((rows << ROW_SHIFT) + 1);
}

/**
 * The state of every descriptor of one thread: no object, closure or timer a connection, but a row of numbers that
 * fills one line of the processor's cache.
 *
 * A descriptor number comes back as soon as it has been closed. Its generation tells an event of the old one from
 * an event of the new.
 */
export class SocketTable {
  readonly #cells: SocketTableMemory;
  readonly #numbers: Float64Array;
  readonly size: number;
  /** The cell that says above which row none was ever used. */
  readonly #highestAt: number;

  constructor(memory: SocketTableMemory) {
    this.#cells = memory;
    this.size = memory.length >> ROW_SHIFT;
    this.#numbers = new Float64Array(memory.buffer, memory.byteOffset, this.size << NUMBERS_SHIFT);
    this.#highestAt = this.size << ROW_SHIFT;
  }

  /** No row above it was ever used. */
  get highest(): number {
    return this.#cells[this.#highestAt]!;
  }

  get(fd: number, cell: number): number {
    return this.#cells[(fd << ROW_SHIFT) + cell]!;
  }

  set(fd: number, cell: number, value: number): void {
    this.#cells[(fd << ROW_SHIFT) + cell] = value;
  }

  peerOf(fd: number): number {
    return this.#cells[(fd << ROW_SHIFT) + CELL.PEER]!;
  }

  flagsOf(fd: number): number {
    return this.#cells[fd << ROW_SHIFT]!;
  }

  /** Whether it has any of these flags. */
  has(fd: number, flags: number): boolean {
    return (this.#cells[fd << ROW_SHIFT]! & flags) !== 0;
  }

  mark(fd: number, flags: number): void {
    this.#cells[fd << ROW_SHIFT]! |= flags;
  }

  unmark(fd: number, flags: number): void {
    this.#cells[fd << ROW_SHIFT]! &= ~flags;
  }

  /** Where the limits of connections count a client. */
  countedOf(client: number): number {
    return (this.flagsOf(client) & FLAG.COUNTED) >> COUNTED_SHIFT;
  }

  setCounted(client: number, counted: number): void {
    this.unmark(client, FLAG.COUNTED);
    this.mark(client, counted << COUNTED_SHIFT);
  }

  /** Begins to count what goes through a connection. */
  beginTraffic(backend: number): void {
    this.#numbers[(backend << NUMBERS_SHIFT) + NUMBER.SENT] = 0;
    this.#numbers[(backend << NUMBERS_SHIFT) + NUMBER.RECEIVED] = 0;
  }

  countSent(backend: number, bytes: number): void {
    this.#numbers[(backend << NUMBERS_SHIFT) + NUMBER.SENT]! += bytes;
  }

  countReceived(backend: number, bytes: number): void {
    this.#numbers[(backend << NUMBERS_SHIFT) + NUMBER.RECEIVED]! += bytes;
  }

  /** Nothing before the connection is one. */
  trafficOf(backend: number): { readonly bytesSent: number; readonly bytesReceived: number } {
    if (this.has(backend, FLAG.CONNECTING)) return { bytesSent: 0, bytesReceived: 0 };
    const at = backend << NUMBERS_SHIFT;
    return {
      bytesSent: this.#numbers[at + NUMBER.SENT]!,
      bytesReceived: this.#numbers[at + NUMBER.RECEIVED]!,
    };
  }

  /** Takes a descriptor over; false when its number is beyond the table. */
  open(fd: number, flags: number): boolean {
    if (fd >= this.size) return false;
    if (fd > this.highest) this.#cells[this.#highestAt] = fd;
    this.#cells[fd << ROW_SHIFT] = flags;
    return true;
  }

  /** Forgets a descriptor that has been, or is about to be, closed. */
  forget(fd: number): void {
    const row = fd << ROW_SHIFT;
    this.#cells[row] = 0;
    this.#cells[row + CELL.READS] = 0;
    this.#cells[row + CELL.GENERATION] = (this.#cells[row + CELL.GENERATION]! + 1) | 0;
  }

  setAddress(client: number, words: ArrayLike<number>): void {
    for (let word = 0; word < ADDRESS_WORDS; word++) this.set(client, CELL.ADDRESS + word, words[word]!);
  }

  readAddress(client: number, into: IpAddress): void {
    const word = (number: number): number => this.get(client, CELL.ADDRESS + number);
    into.set(word(0), word(1), word(2), word(3));
  }

  /** @param app number of the app whose clients come to where it has come */
  setOrigin(client: number, port: number, app: number): void {
    this.set(client, CELL.PORT, (app << APP_SHIFT) | port);
  }

  portOf(client: number): number {
    return this.get(client, CELL.PORT) & PORT_MASK;
  }

  appOf(client: number): number {
    return this.get(client, CELL.PORT) >> APP_SHIFT;
  }

  /** Makes two descriptors the sides of one connection. */
  pair(client: number, backend: number, tenancy: number): void {
    this.set(client, CELL.PEER, backend);
    this.set(backend, CELL.PEER, client);
    this.set(client, CELL.TENANCY, tenancy);
    this.set(backend, CELL.TENANCY, tenancy);
  }

  /** The client's descriptor of a connection, given either. */
  clientOf(fd: number): number {
    return this.has(fd, FLAG.CLIENT) ? fd : this.peerOf(fd);
  }

  /** Every descriptor with all of these flags; may be closed while it is walked through. */
  *having(flags: number): Generator<number> {
    for (let fd = 0; fd <= this.highest; fd++) if ((this.flagsOf(fd) & flags) === flags) yield fd;
  }
}
