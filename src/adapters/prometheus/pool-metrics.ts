import type { Counter, Gauge } from 'prom-client';
import type { PoolSource } from '../../domain/ports.ts';

interface Makers {
  readonly counter: (name: string, help: string, labelNames?: string[]) => Counter;
  readonly gauge: (name: string, help: string, labelNames?: string[]) => Gauge;
}

/** The series of the pool, and what sets them before a scrape. */
export function poolMetrics(pool: PoolSource, { counter, gauge }: Makers): () => void {
  const hits = counter('pool_hits_total', 'Clients who were given a warm connection.', ['backend']);
  const misses = counter('pool_misses_total', 'Clients for whom no connection was warm.', ['backend']);
  const warm = gauge('pool_connections', 'Connections that are warm or being opened to be.', ['backend']);
  const discarded = counter('pool_discarded_total', 'Connections that the pool gave up, by reason.', [
    'reason',
  ]);
  const returned = counter('pool_returned_total', 'Connections that came back unused.');
  const failures = counter('pool_connect_failures_total', 'Connects for the pool that failed.');
  return () => {
    for (const metric of [hits, misses, warm, discarded, returned, failures]) metric.reset();
    const report = pool.report();
    for (const { backendId: backend, ...own } of report.backends) {
      hits.inc({ backend }, own.hits);
      misses.inc({ backend }, own.misses);
      warm.set({ backend }, own.warm);
    }
    for (const [reason, count] of Object.entries(report.discarded)) discarded.inc({ reason }, count);
    returned.inc(report.returned);
    failures.inc(report.connectFailures);
  };
}
