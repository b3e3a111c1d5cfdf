import type { Backend } from '../../domain/backend.ts';
import { IpAddress } from '../ip-address.ts';
import { type Occupant, type Occupants, slotOfTenancy } from '../slot-table.ts';

/** Who has got a slot: plain data, may be sent to a thread. */
export interface Newcomer {
  readonly tenancy: number;
  readonly incarnation: string;
  readonly backend: Backend;
}

export function newcomerOf({ tenancy, incarnation, backend }: Occupant): Newcomer {
  return { tenancy, incarnation, backend };
}

/** Who is where, in a thread that hears of it: as the `SlotTable` of the main thread, as far as it was told. */
export class Roster implements Occupants {
  readonly #bySlot: (Occupant | undefined)[] = [];
  readonly #byIncarnation = new Map<string, Occupant>();

  add({ tenancy, incarnation, backend }: Newcomer): void {
    const slot = slotOfTenancy(tenancy);
    const before = this.#bySlot[slot];
    // Who had it may have got another one meanwhile.
    if (before !== undefined && this.of(before.incarnation) === before)
      this.#byIncarnation.delete(before.incarnation);
    const occupant = { slot, tenancy, incarnation, backend, address: IpAddress.of(backend.host) };
    this.#bySlot[slot] = occupant;
    this.#byIncarnation.set(incarnation, occupant);
  }

  of(incarnation: string): Occupant | undefined {
    return this.#byIncarnation.get(incarnation);
  }

  at(slot: number): Occupant | undefined {
    return this.#bySlot[slot];
  }

  holding(tenancy: number): Occupant | undefined {
    const occupant = this.#bySlot[slotOfTenancy(tenancy)];
    return occupant?.tenancy === tenancy ? occupant : undefined;
  }
}
