import type { Counter, Gauge } from 'prom-client';
import type { PoolReport } from '../../domain/pool.ts';
import type { PoolSource } from '../../domain/ports.ts';

interface Makers {
  readonly counter: (name: string, help: string, labelNames?: string[]) => Counter;
  readonly gauge: (name: string, help: string, labelNames?: string[]) => Gauge;
}

/** What sets the series of the pool before a scrape; there are none before there is a pool. */
export function poolMetrics(pool: PoolSource, makers: Makers): () => void {
  let set: ((report: PoolReport) => void) | undefined;
  return () => {
    const report = pool.report();
    if (report === undefined) return;
    set ??= newPoolMetrics(makers);
    set(report);
  };
}

function newPoolMetrics({ counter, gauge }: Makers): (report: PoolReport) => void {
  const hits = counter('pool_hits_total', 'Clients who were given a warm connection.', ['backend']);
  const misses = counter('pool_misses_total', 'Clients for whom no connection was warm.', ['backend']);
  const warm = gauge('pool_connections', 'Connections that are warm or being opened to be.', ['backend']);
  const discarded = counter('pool_discarded_total', 'Connections that the pool gave up, by reason.', [
    'reason',
  ]);
  const returned = counter('pool_returned_total', 'Connections that came back unused.');
  const failures = counter('pool_connect_failures_total', 'Connects for the pool that failed.');
  return (report) => {
    for (const metric of [hits, misses, warm, discarded, returned, failures]) metric.reset();
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
