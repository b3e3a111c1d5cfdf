import type { Counter, Gauge } from 'prom-client';
import type { TlsSource } from '../../domain/tls.ts';

interface Makers {
  readonly counter: (name: string, help: string, labelNames?: string[]) => Counter;
  readonly gauge: (name: string, help: string) => Gauge;
}

/** What sets the series of the TLS listener before a scrape. */
export function tlsMetrics(source: TlsSource, { counter, gauge }: Makers): () => void {
  const underWay = gauge('tls_handshakes_active', 'Handshakes under way.');
  const done = counter('tls_handshakes_total', 'Handshakes that succeeded.', ['version', 'resumed']);
  const failed = counter('tls_handshake_failures_total', 'Handshakes that failed, by reason.', ['reason']);
  const loads = counter('tls_certificate_loads_total', 'Certificates read while running, by result.', [
    'result',
  ]);
  const expiry = gauge(
    'tls_certificate_expiry_timestamp_seconds',
    'Unix time at which the first certificate of those in use expires.',
  );
  return () => {
    const report = source.report();
    underWay.set(report.underWay);
    done.reset();
    failed.reset();
    loads.reset();
    expiry.set(report.earliestExpiryMs / 1000);
    for (const [result, count] of Object.entries(report.certificates)) loads.inc({ result }, count);
    for (const { version, isResumed, count } of report.done)
      done.inc({ version, resumed: String(isResumed) }, count);
    for (const [reason, count] of Object.entries(report.failed)) failed.inc({ reason }, count);
  };
}
