import {
  type ConnectionPage,
  type ConnectionQuery,
  isAskedFor,
  type LiveConnection,
  LOOKS_PER_PAGE,
} from '../../domain/live-connections.ts';
import { type LiveLedgerMemory, liveRowAt, usedRows } from '../net/live-ledger.ts';
import type { Apps } from '../apps.ts';
import type { SlotTable } from '../slot-table.ts';

/** Where a page begins, as the one before has said; a text that none has said is the end. */
function placeOf(after: string | undefined): readonly [thread: number, row: number] {
  if (after === undefined) return [0, 0];
  const [, thread, row] = /^(\d{1,5})\.(\d{1,9})$/.exec(after) ?? [];
  return thread === undefined ? [Infinity, 0] : [Number(thread), Number(row)];
}

/** A page of the clients of all threads, read from what they have written down: no thread is asked, or waits. */
export function liveRowsPage(
  ledgers: readonly LiveLedgerMemory[],
  { slots, apps }: { readonly slots: SlotTable; readonly apps: Apps },
  query: ConnectionQuery,
): ConnectionPage {
  const items: LiveConnection[] = [];
  let looks = 0;
  let [thread, row] = placeOf(query.after);
  for (; thread < ledgers.length; thread++, row = 0) {
    const ledger = ledgers[thread]!;
    for (; row < usedRows(ledger); row++) {
      if (items.length === query.limit || looks === LOOKS_PER_PAGE)
        return { items, next: `${thread}.${row}` };
      looks++;
      const found = liveRowAt(ledger, row);
      if (found === undefined) continue;
      const { address, counted: _, tenancy, app, ...connection } = found;
      const incarnation = slots.holding(tenancy)?.incarnation;
      if (isAskedFor({ client: address, incarnation }, query))
        items.push({ client: address.text, incarnation, app: apps.nameOf(app), ...connection });
    }
  }
  return { items, next: null };
}
