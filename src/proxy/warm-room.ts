import type { Occupancy } from './occupancy.ts';
import type { Router } from './router.ts';
import { slotOfTenancy } from './slot-table.ts';

export interface WarmRoomOptions {
  readonly router: Router;
  /** Warm connections of all threads. */
  readonly shares: Occupancy;
  /** Has the other threads that have warm connections of this slot look whether they are in the way. */
  readonly wakeHolders: (slot: number) => void;
}

/**
 * Whether a connection may be opened for a client who has a place. Warm ones that are in the way are closed here at
 * once, and soon in other threads.
 */
export function makesRoom(
  pool: { readonly makeRoom: (tenancy: number) => void },
  tenancy: number,
  { router, shares, wakeHolders }: WarmRoomOptions,
): boolean {
  const slot = slotOfTenancy(tenancy);
  if (router.hasRoom(tenancy, shares.of(slot))) return true;
  pool.makeRoom(tenancy);
  if (router.hasRoom(tenancy, shares.of(slot))) return true;
  wakeHolders(slot);
  return false;
}
