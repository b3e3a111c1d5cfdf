import { CONNECTION_STATES, type LiveConnection } from '../../domain/live-connections.ts';
import { IpAddress } from '../ip-address.ts';
import { sharedInts, sharedNumbers } from '../shared-columns.ts';
import type { Guest } from './guest.ts';

/** Clients that one thread may have at one time, at most: the kernel's bound of a process's descriptors. */
const MOST_CLIENTS = 1_048_576;

/** Of a row: the four words of the address, and then these. State and tenancy plus one; a state of 0 is no client. */
const CELL = { counted: 4, state: 5, tenancy: 6, port: 7, sinceSecs: 8, app: 9, count: 10 } as const;

/** Of a row: client to backend, and back. */
const BYTES = { sent: 0, received: 1, count: 2 } as const;

/** May be sent to a thread. Pages that are never touched cost nothing. */
export interface LiveLedgerMemory {
  /** One cell: how many rows have been used. */
  readonly used: Int32Array<SharedArrayBuffer>;
  readonly cells: Int32Array<SharedArrayBuffer>;
  readonly bytes: Float64Array<SharedArrayBuffer>;
}

export function newLiveLedgerMemory(): LiveLedgerMemory {
  return {
    used: sharedInts(1),
    cells: sharedInts(MOST_CLIENTS * CELL.count),
    bytes: sharedNumbers(MOST_CLIENTS * BYTES.count),
  };
}

/** What is known of a client when it is admitted. */
export interface NewClient {
  /** Where the limits of connections count it. */
  readonly counted: number;
  readonly port: number | undefined;
  readonly sinceUnixSecs: number;
}

/**
 * The clients of a thread in shared memory: for the main thread, which lists them, and buries the thread should it die.
 * Rows stay where they are as long as their clients live.
 */
export class LiveLedger {
  readonly #memory: LiveLedgerMemory;
  readonly #rows = new Map<Guest, number>();
  readonly #free: number[] = [];

  constructor(memory: LiveLedgerMemory) {
    this.#memory = memory;
  }

  add(guest: Guest, { counted, port = 0, sinceUnixSecs }: NewClient, state: LiveConnection['state']): void {
    const row = this.#free.pop() ?? this.#memory.used[0]!++;
    this.#rows.set(guest, row);
    const at = row * CELL.count;
    const { cells } = this.#memory;
    cells.set(guest.address.words, at);
    cells[at + CELL.counted] = counted;
    cells[at + CELL.port] = port;
    cells[at + CELL.sinceSecs] = sinceUnixSecs;
    cells[at + CELL.app] = guest.app;
    this.show(guest, state);
  }

  /** A client goes on as another guest. */
  replace(guest: Guest, next: Guest): void {
    const row = this.#rows.get(guest)!;
    this.#rows.set(next, row);
    this.#memory.cells[row * CELL.count + CELL.app] = next.app;
    this.#rows.delete(guest);
  }

  count(guest: Guest, counted: number): void {
    this.#memory.cells[this.#rows.get(guest)! * CELL.count + CELL.counted] = counted;
  }

  /** Writes down how far it has come. */
  show(guest: Guest, state: LiveConnection['state']): void {
    const { cells, bytes } = this.#memory;
    const { place } = guest;
    const row = this.#rows.get(guest)!;
    bytes[row * BYTES.count + BYTES.sent] = place?.bytesSent ?? 0;
    bytes[row * BYTES.count + BYTES.received] = place?.bytesReceived ?? 0;
    cells[row * CELL.count + CELL.tenancy] = (place?.occupant.tenancy ?? -1) + 1;
    cells[row * CELL.count + CELL.state] = CONNECTION_STATES.indexOf(state) + 1;
  }

  remove(guest: Guest): void {
    const row = this.#rows.get(guest);
    if (row === undefined) return;
    this.#rows.delete(guest);
    this.#free.push(row);
    this.#memory.cells[row * CELL.count + CELL.state] = 0;
  }
}

/** A row as the main thread reads it. */
export interface LiveRow extends Omit<LiveConnection, 'client' | 'incarnation' | 'app'> {
  readonly address: IpAddress;
  readonly counted: number;
  readonly app: number;
  /** Below zero while it has no backend. */
  readonly tenancy: number;
}

/** Rows that may have clients. */
export function usedRows({ used }: LiveLedgerMemory): number {
  return used[0]!;
}

/** The client of a row, if there is one; what changes at this moment may be half as it was. */
export function liveRowAt({ cells, bytes }: LiveLedgerMemory, row: number): LiveRow | undefined {
  const own = cells.subarray(row * CELL.count, (row + 1) * CELL.count);
  const state = CONNECTION_STATES[own[CELL.state]! - 1];
  if (state === undefined) return undefined;
  const address = new IpAddress();
  address.set(own[0]!, own[1]!, own[2]!, own[3]!);
  const port = own[CELL.port]!;
  return {
    address,
    counted: own[CELL.counted]!,
    app: own[CELL.app]!,
    tenancy: own[CELL.tenancy]! - 1,
    clientPort: port === 0 ? undefined : port,
    state,
    sinceUnixSecs: own[CELL.sinceSecs]!,
    bytesSent: bytes[row * BYTES.count + BYTES.sent]!,
    bytesReceived: bytes[row * BYTES.count + BYTES.received]!,
  };
}

/** Takes out all clients of a thread that has died. */
export function takeLiveRows(memory: LiveLedgerMemory): readonly LiveRow[] {
  const used = usedRows(memory);
  const rows = Array.from({ length: used }, (_, row) => liveRowAt(memory, row) ?? []).flat();
  memory.cells.fill(0, 0, used * CELL.count);
  memory.used[0] = 0;
  return rows;
}
