import { REFUSAL_REASONS, type RefusalReason } from '../domain/outcome.ts';
import type { BackendTraffic, TrafficReport, TrafficSource } from '../domain/ports.ts';
import { type Counters, RTT_BUCKETS_SECONDS } from './counters.ts';
import type { SlotTable } from './slot-table.ts';

/** Makes reports out of the counters: one entry a backend, the incarnations of one id added up. */
export function createTrafficSource(counters: Counters, slots: SlotTable): TrafficSource {
  const trafficOf = (backendId: string, own: readonly number[]): BackendTraffic => {
    const sum = (column: ArrayLike<number>): number => own.reduce((total, slot) => total + column[slot]!, 0);
    const rttCells = own.map((slot) => counters.rttCellsOf(slot));
    return {
      backendId,
      connections: sum(counters.connections),
      active: sum(counters.active),
      errors: sum(counters.errors),
      bytesSent: sum(counters.bytesSent),
      bytesReceived: sum(counters.bytesReceived),
      rttSumSeconds: sum(counters.rttSumSeconds),
      rttCounts: Array.from(rttCells[0]!, (_, cell) =>
        rttCells.reduce((total, cells) => total + cells[cell]!, 0),
      ),
    };
  };
  return {
    report(): TrafficReport {
      const backends = [...slots.slotsById()].map(([id, own]) => trafficOf(id, own));
      slots.scraped();
      return {
        accepted: counters.total('accepted'),
        active: counters.total('active'),
        bytesSent: counters.total('bytesSent'),
        bytesReceived: counters.total('bytesReceived'),
        refused: Object.fromEntries(
          REFUSAL_REASONS.map((reason) => [reason, counters.refused(reason)]),
        ) as Record<RefusalReason, number>,
        rttBucketsSeconds: RTT_BUCKETS_SECONDS,
        backends,
      };
    },
  };
}
