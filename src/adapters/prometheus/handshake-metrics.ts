import type { Counter, Gauge } from 'prom-client';
import type { HandshakeSource } from '../../domain/tls.ts';

interface Makers {
  readonly counter: (name: string, help: string, labelNames?: string[]) => Counter;
  readonly gauge: (name: string, help: string) => Gauge;
}

/** What sets the series of the TLS listener before a scrape. */
export function handshakeMetrics(source: HandshakeSource, { counter, gauge }: Makers): () => void {
  const underWay = gauge('tls_handshakes_active', 'Handshakes under way.');
  const done = counter('tls_handshakes_total', 'Handshakes that succeeded.', ['version', 'resumed']);
  const failed = counter('tls_handshake_failures_total', 'Handshakes that failed, by reason.', ['reason']);
  return () => {
    const report = source.report();
    underWay.set(report.underWay);
    done.reset();
    failed.reset();
    for (const { version, isResumed, count } of report.done)
      done.inc({ version, resumed: String(isResumed) }, count);
    for (const [reason, count] of Object.entries(report.failed)) failed.inc({ reason }, count);
  };
}
