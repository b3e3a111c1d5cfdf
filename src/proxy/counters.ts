import { REFUSAL_REASONS, type RefusalReason, TIMEOUT_KINDS, type TimeoutKind } from '../domain/outcome.ts';
import { sharedInts, sharedNumbers } from './shared-columns.ts';

/** Upper bounds in seconds of the connect-time histogram; a last bucket without a bound follows. */
export const RTT_BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
] as const;

const RTT_CELLS = RTT_BUCKETS_SECONDS.length + 1;

const TOTALS = {
  accepted: 0,
  active: 1,
  bytesSent: 2,
  bytesReceived: 3,
  acceptPauses: 4,
  queued: 5,
  refused: 6,
  timedOut: 6 + REFUSAL_REASONS.length,
} as const;

const TOTAL_CELLS = TOTALS.timedOut + TIMEOUT_KINDS.length;

/** Columns by slot, but `totals`. */
export interface CountersMemory {
  readonly active: Int32Array<SharedArrayBuffer>;
  readonly connections: Float64Array<SharedArrayBuffer>;
  readonly errors: Float64Array<SharedArrayBuffer>;
  readonly bytesSent: Float64Array<SharedArrayBuffer>;
  readonly bytesReceived: Float64Array<SharedArrayBuffer>;
  readonly rttSumSeconds: Float64Array<SharedArrayBuffer>;
  /** Row-major: `RTT_CELLS` cells a slot, not cumulative. */
  readonly rttCells: Float64Array<SharedArrayBuffer>;
  readonly totals: Float64Array<SharedArrayBuffer>;
}

export function newCountersMemory(maxSlots: number): CountersMemory {
  return {
    active: sharedInts(maxSlots),
    connections: sharedNumbers(maxSlots),
    errors: sharedNumbers(maxSlots),
    bytesSent: sharedNumbers(maxSlots),
    bytesReceived: sharedNumbers(maxSlots),
    rttSumSeconds: sharedNumbers(maxSlots),
    rttCells: sharedNumbers(maxSlots * RTT_CELLS),
    totals: sharedNumbers(TOTAL_CELLS),
  };
}

/**
 * The numbers of one engine thread, in shared memory: the thread alone writes, anybody reads them at any time.
 *
 * Columns are indexed by slot (see `SlotTable`). Memory of slots that were never used is never touched, so the
 * fixed size costs address space, not memory. Totals outlive the backends that they were counted with.
 */
export class Counters {
  readonly memory: CountersMemory;
  /** Places that this thread holds at a backend: connecting and connected. */
  readonly active: Int32Array;
  /** Connections established. */
  readonly connections: Float64Array;
  /** Failures charged to the backend. */
  readonly errors: Float64Array;
  /** Client to backend. */
  readonly bytesSent: Float64Array;
  /** Backend to client. */
  readonly bytesReceived: Float64Array;
  readonly rttSumSeconds: Float64Array;
  readonly #rttCells: Float64Array;
  readonly #totals: Float64Array;

  constructor(memory: CountersMemory) {
    this.memory = memory;
    this.active = memory.active;
    this.connections = memory.connections;
    this.errors = memory.errors;
    this.bytesSent = memory.bytesSent;
    this.bytesReceived = memory.bytesReceived;
    this.rttSumSeconds = memory.rttSumSeconds;
    this.#rttCells = memory.rttCells;
    this.#totals = memory.totals;
  }

  clientAccepted(): void {
    this.#totals[TOTALS.accepted]!++;
    this.#totals[TOTALS.active]!++;
  }

  clientEnded(clients = 1): void {
    this.#totals[TOTALS.active]! -= clients;
  }

  acceptPaused(): void {
    this.#totals[TOTALS.acceptPauses]!++;
  }

  clientQueued(): void {
    this.#totals[TOTALS.queued]!++;
  }

  clientRefused(reason: RefusalReason): void {
    this.#totals[TOTALS.refused + REFUSAL_REASONS.indexOf(reason)]!++;
  }

  timedOut(kind: TimeoutKind): void {
    this.#totals[TOTALS.timedOut + TIMEOUT_KINDS.indexOf(kind)]!++;
  }

  sent(slot: number, bytes: number): void {
    this.bytesSent[slot]! += bytes;
    this.#totals[TOTALS.bytesSent]! += bytes;
  }

  received(slot: number, bytes: number): void {
    this.bytesReceived[slot]! += bytes;
    this.#totals[TOTALS.bytesReceived]! += bytes;
  }

  connected(slot: number, rttSeconds: number): void {
    this.connections[slot]!++;
    this.rttSumSeconds[slot]! += rttSeconds;
    const bucket = RTT_BUCKETS_SECONDS.findIndex((bound) => rttSeconds <= bound);
    this.#rttCells[slot * RTT_CELLS + (bucket < 0 ? RTT_CELLS - 1 : bucket)]!++;
  }

  rttCellsOf(slot: number): Float64Array {
    return this.#rttCells.subarray(slot * RTT_CELLS, (slot + 1) * RTT_CELLS);
  }

  total(name: Exclude<keyof typeof TOTALS, 'refused' | 'timedOut'>): number {
    return this.#totals[TOTALS[name]]!;
  }

  refused(reason: RefusalReason): number {
    return this.#totals[TOTALS.refused + REFUSAL_REASONS.indexOf(reason)]!;
  }

  timeouts(kind: TimeoutKind): number {
    return this.#totals[TOTALS.timedOut + TIMEOUT_KINDS.indexOf(kind)]!;
  }

  /** Forgets a slot before its next backend uses it; totals stay. */
  clear(slot: number): void {
    for (const cells of [
      this.connections,
      this.errors,
      this.bytesSent,
      this.bytesReceived,
      this.rttSumSeconds,
    ]) {
      cells[slot] = 0;
    }
    this.rttCellsOf(slot).fill(0);
  }
}
