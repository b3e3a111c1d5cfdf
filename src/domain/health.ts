import type { HeaderMode } from './proxy-protocol/relayed-header.ts';

/** How a backend is probed. */
export type HealthCheck =
  | { readonly type: 'tcp' }
  | { readonly type: 'http'; readonly path: string; readonly expectedStatus: number };

export interface HealthCheckSettings {
  readonly check: HealthCheck;
  /** The PROXY header that a probe begins with; none when absent. */
  readonly header?: HeaderMode | undefined;
  readonly intervalMs: number;
  /** For the whole probe: connect to end of headers. */
  readonly timeoutMs: number;
  /** Successful probes in a row that make a backend healthy (rise). */
  readonly healthyThreshold: number;
  /** Failed probes in a row that make it unhealthy (fall). */
  readonly unhealthyThreshold: number;
}

/** What probes say about a backend: nothing yet, or the last verdict. */
export type HealthVerdict = 'unknown' | 'healthy' | 'unhealthy';

/** The outcome of one probe. */
export type ProbeResult =
  | { readonly ok: true; readonly latencyMs: number }
  | { readonly ok: false; readonly latencyMs: number; readonly error: string };

/** The whole of what is known about a backend's health; times on the monotonic clock. */
export interface HealthStatus {
  readonly verdict: HealthVerdict;
  readonly sinceMs: number;
  readonly lastLatencyMs: number | undefined;
  readonly lastError: string | undefined;
  readonly consecutiveSuccesses: number;
  readonly consecutiveFailures: number;
}

/** Runs one probe; resolves also when the backend fails it. Rejects only for the daemon's own trouble. */
export type Probe = (
  target: { readonly host: string; readonly port: number },
  settings: HealthCheckSettings,
  signal: AbortSignal,
) => Promise<ProbeResult>;
