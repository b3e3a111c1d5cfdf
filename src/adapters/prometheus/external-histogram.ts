import type { Histogram, MetricValueWithName, Registry } from 'prom-client';

/** Counts per bucket that something else keeps. */
export interface HistogramRow {
  readonly labels: Readonly<Record<string, string>>;
  /** Not cumulative; the last cell is above every bound. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface ExternalHistogram {
  set(rows: readonly HistogramRow[]): void;
}

/** Registers a histogram whose counts are read at scrape time instead of being observed one by one. */
export function externalHistogram(
  registry: Registry,
  {
    name,
    help,
    buckets,
  }: { readonly name: string; readonly help: string; readonly buckets: readonly number[] },
): ExternalHistogram {
  let rows: readonly HistogramRow[] = [];
  const bounds = [...buckets.map(String), '+Inf'];

  function valuesOf({ labels, counts, sum }: HistogramRow): MetricValueWithName<string>[] {
    let seen = 0;
    const cumulative = bounds.map((le, cell) => {
      seen += counts[cell]!;
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: seen };
    });
    return [
      ...cumulative,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: seen },
    ];
  }

  const metric = {
    name,
    get: () =>
      Promise.resolve({
        name,
        help,
        type: 'histogram',
        aggregator: 'sum',
        values: rows.flatMap(valuesOf),
      }),
  };
  // A registry asks its metrics for these two members alone.
  registry.registerMetric(metric as unknown as Histogram);
  return {
    set(next) {
      rows = next;
    },
  };
}
