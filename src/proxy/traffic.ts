import { REFUSAL_REASONS, type RefusalReason, TIMEOUT_KINDS, type TimeoutKind } from '../domain/outcome.ts';
import type { BackendTraffic, TrafficReport, TrafficSource } from '../domain/ports.ts';
import { type Counters, RTT_BUCKETS_SECONDS } from './counters.ts';
import type { Occupancy } from './occupancy.ts';
import { waitingIn, type WaitQueueMemory } from './wait-queue.ts';
import type { SlotTable } from './slot-table.ts';

export interface TrafficSourceOptions {
  /** One for each thread. */
  readonly counters: readonly Counters[];
  readonly occupancy: Occupancy;
  readonly slots: SlotTable;
  /** Absent when nobody may wait. */
  readonly queue?: WaitQueueMemory | undefined;
}

type Column = 'connections' | 'errors' | 'bytesSent' | 'bytesReceived' | 'rttSumSeconds';

/** Makes reports out of the counters: one entry a backend, all threads and the incarnations of one id added up. */
export function createTrafficSource({
  counters,
  occupancy,
  slots,
  queue,
}: TrafficSourceOptions): TrafficSource {
  const total = (valueOf: (thread: Counters) => number): number =>
    counters.reduce((sum, thread) => sum + valueOf(thread), 0);
  const trafficOf = (backendId: string, own: readonly number[]): BackendTraffic => {
    const sum = (column: Column): number =>
      total((thread) => own.reduce((inner, slot) => inner + thread[column][slot]!, 0));
    const rttCells = counters.flatMap((thread) => own.map((slot) => thread.rttCellsOf(slot)));
    return {
      backendId,
      connections: sum('connections'),
      active: own.reduce((active, slot) => active + occupancy.of(slot), 0),
      errors: sum('errors'),
      bytesSent: sum('bytesSent'),
      bytesReceived: sum('bytesReceived'),
      rttSumSeconds: sum('rttSumSeconds'),
      rttCounts: Array.from(rttCells[0]!, (_, cell) =>
        rttCells.reduce((inner, cells) => inner + cells[cell]!, 0),
      ),
    };
  };
  const activeClients = (): number => total((thread) => thread.total('active'));
  return {
    activeClients,
    report(): TrafficReport {
      const backends = [...slots.slotsById()].map(([id, own]) => trafficOf(id, own));
      slots.scraped();
      return {
        accepted: total((thread) => thread.total('accepted')),
        active: activeClients(),
        bytesSent: total((thread) => thread.total('bytesSent')),
        bytesReceived: total((thread) => thread.total('bytesReceived')),
        acceptPauses: total((thread) => thread.total('acceptPauses')),
        queued: total((thread) => thread.total('queued')),
        waiting: queue === undefined ? 0 : waitingIn(queue),
        refused: Object.fromEntries(
          REFUSAL_REASONS.map((reason) => [reason, total((thread) => thread.refused(reason))]),
        ) as Record<RefusalReason, number>,
        timedOut: Object.fromEntries(
          TIMEOUT_KINDS.map((kind) => [kind, total((thread) => thread.timeouts(kind))]),
        ) as Record<TimeoutKind, number>,
        rttBucketsSeconds: RTT_BUCKETS_SECONDS,
        backends,
      };
    },
  };
}
