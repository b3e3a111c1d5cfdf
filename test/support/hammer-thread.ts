import { parentPort, workerData } from 'node:worker_threads';
import { Affinity } from '../../src/proxy/affinity.ts';
import { NO_PERMIT } from '../../src/proxy/gates.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';
import { EVERY_APP } from '../../src/proxy/apps.ts';
import { Router } from '../../src/proxy/router.ts';
import type { RouteTable } from '../../src/proxy/routes.ts';
import { newsOf, openSharedState, type SharedMemory } from '../../src/proxy/shared-state.ts';
import { slotOfTenancy } from '../../src/proxy/slot-table.ts';

/** What a thread of the hammer is to do. */
export interface HammerOrders {
  readonly thread: number;
  readonly memory: SharedMemory;
  readonly table: RouteTable;
  readonly rounds: number;
  /** Rows that admit this many trials at one time. */
  readonly permits: number;
  /** By slot: places and permits held, as the threads count themselves. */
  readonly places: Int32Array<SharedArrayBuffer>;
  readonly trials: Int32Array<SharedArrayBuffer>;
  /** One cell: how many threads are here. None starts before all are. */
  readonly arrived: Int32Array<SharedArrayBuffer>;
  readonly threads: number;
}

export interface HammerReport {
  readonly entered: number;
  readonly violations: number;
}

const HELD_AT_MOST = 20;
/** More than are remembered. */
const CLIENTS = 1_500;

const orders = workerData as HammerOrders;
const { thread, memory, table, rounds, permits, places, trials } = orders;
const state = openSharedState(memory);
const now = (): number => Number(process.hrtime.bigint() / 1_000_000n);
const affinity = new Affinity({ binding: { ttlMs: 5 }, now, memory: memory.affinity, holder: thread + 1 });
const router = new Router({
  ownRegion: 'sa',
  geo: { isEmpty: true, locate: () => undefined },
  affinity,
  occupancy: state.occupancy,
  gates: state.gates,
  counters: state.counters[thread]!,
  news: newsOf(memory, thread),
  random: Math.random,
});
router.offer({ number: EVERY_APP, name: undefined });
router.apply(table);
const hardLimits = new Map(
  Array.from({ length: table.rows }, (_, row) => [
    slotOfTenancy(table.tenancies[row]!),
    table.hardLimits[row]!,
  ]),
);
const clients = Array.from({ length: CLIENTS }, (_, index) =>
  IpAddress.of(`10.0.${index >> 8}.${index & 255}`),
);
const held: { readonly slot: number; readonly permit: number }[] = [];
let entered = 0;
let violations = 0;

function enter(): void {
  const client = clients[Math.floor(Math.random() * CLIENTS)]!;
  const slot = router.enter(client, [], EVERY_APP);
  if (slot < 0) return;
  const { permit, row } = router;
  entered++;
  if (Atomics.add(places, slot, 1) >= hardLimits.get(slot)!) violations++;
  if (permit !== NO_PERMIT && Atomics.add(trials, slot, 1) >= permits) violations++;
  router.connected(client, table.tenancies[row]!, EVERY_APP);
  held.push({ slot, permit });
}

function leave(): void {
  const [one] = held.splice(Math.floor(Math.random() * held.length), 1);
  if (one === undefined) return;
  const { slot, permit } = one;
  if (permit !== NO_PERMIT) Atomics.sub(trials, slot, 1);
  Atomics.sub(places, slot, 1);
  router.settle(slot, permit, Math.random() < 0.5 ? 'success' : 'none');
  router.leave(slot);
}

Atomics.add(orders.arrived, 0, 1);
Atomics.notify(orders.arrived, 0);
for (;;) {
  const here = Atomics.load(orders.arrived, 0);
  if (here === orders.threads) break;
  Atomics.wait(orders.arrived, 0, here);
}
for (let round = 0; round < rounds; round++) {
  if (held.length === HELD_AT_MOST || Math.random() < 0.5) leave();
  else enter();
  if (round % 100 === 0) affinity.collectGarbage();
}
while (held.length > 0) leave();
const report: HammerReport = { entered, violations };
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort!.postMessage(report);
