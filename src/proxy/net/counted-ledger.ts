import { IpAddress } from '../ip-address.ts';
import { sharedInts } from '../shared-columns.ts';
import type { Guest } from './guest.ts';

/** Clients that one thread may have at one time, at most: the kernel's bound of a process's descriptors. */
const MOST_CLIENTS = 1_048_576;

/** The four words of the address, then where the limits of connections count it; 0 is an empty row. */
const ROW_CELLS = 5;

/** How many rows have been used, then the rows. Pages that are never touched cost nothing. */
export type CountedLedgerMemory = Int32Array<SharedArrayBuffer>;

export function newCountedLedgerMemory(): CountedLedgerMemory {
  return sharedInts(1 + MOST_CLIENTS * ROW_CELLS);
}

/** Which clients of a thread limits count, in shared memory: for whoever buries the thread. */
export class CountedLedger {
  readonly #memory: CountedLedgerMemory;
  readonly #rows = new Map<Guest, number>();
  readonly #free: number[] = [];

  constructor(memory: CountedLedgerMemory) {
    this.#memory = memory;
  }

  /** @param counted as `ConnectionLimits.enter` has said; 0 for one that has gone */
  note(guest: Guest, counted: number): void {
    const known = this.#rows.get(guest);
    if (known === undefined && counted === 0) return;
    const row = known ?? this.#free.pop() ?? this.#memory[0]!++;
    const at = 1 + row * ROW_CELLS;
    if (known === undefined) this.#memory.set(guest.address.words, at);
    this.#memory[at + 4] = counted;
    if (counted > 0) this.#rows.set(guest, row);
    else {
      this.#rows.delete(guest);
      this.#free.push(row);
    }
  }
}

/** Takes out whom a thread that has died has noted. */
export function takeCounted(
  memory: CountedLedgerMemory,
): readonly { readonly address: IpAddress; readonly counted: number }[] {
  const noted = Array.from({ length: memory[0]! }, (_, row) => {
    const [first, second, third, fourth, counted] = memory.subarray(
      1 + row * ROW_CELLS,
      1 + (row + 1) * ROW_CELLS,
    );
    const address = new IpAddress();
    address.set(first!, second!, third!, fourth!);
    return { address, counted: counted! };
  });
  memory.fill(0, 0, 1 + noted.length * ROW_CELLS);
  return noted.filter(({ counted }) => counted > 0);
}
