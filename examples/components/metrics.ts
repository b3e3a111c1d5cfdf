/**
 * The metrics of edgeproxy for a proxy of one's own: the same series, fed from the numbers that it keeps.
 *
 * Usage: npx node --conditions=edgeproxy-source examples/components/metrics.ts
 */
import { type BackendTraffic, createMetrics, REFUSAL_REASONS, TIMEOUT_KINDS } from 'edgeproxy';

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const RTT_BUCKETS_SECONDS = [0.001, 0.01, 0.1, 1];

/** What has been counted for each backend. Nothing is pushed: a scrape asks for it. */
const backends = new Map<string, Writable<BackendTraffic>>();

function trafficOf(backendId: string): Writable<BackendTraffic> {
  const counted = backends.get(backendId) ?? {
    backendId,
    connections: 0,
    active: 0,
    errors: 0,
    bytesSent: 0,
    bytesReceived: 0,
    rttSumSeconds: 0,
    rttCounts: Array.from({ length: RTT_BUCKETS_SECONDS.length + 1 }, () => 0),
  };
  backends.set(backendId, counted);
  return counted;
}

const sum = (pick: (backend: BackendTraffic) => number): number =>
  [...backends.values()].reduce((total, backend) => total + pick(backend), 0);

const noneOf = <Name extends string>(names: readonly Name[]) =>
  Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;

const metrics = createMetrics({
  traffic: {
    report: () => ({
      accepted: sum(({ connections }) => connections),
      active: sum(({ active }) => active),
      bytesSent: sum(({ bytesSent }) => bytesSent),
      bytesReceived: sum(({ bytesReceived }) => bytesReceived),
      acceptPauses: 0,
      refused: noneOf(REFUSAL_REASONS),
      queued: 0,
      waiting: 0,
      timedOut: noneOf(TIMEOUT_KINDS),
      rttBucketsSeconds: RTT_BUCKETS_SECONDS,
      backends: [...backends.values()],
    }),
    activeClients: () => sum(({ active }) => active),
  },
  limiter: undefined,
  pool: undefined,
  fleet: { report: () => [] },
  engine: { report: () => ({ engine: 'net', syscalls: 'none', alive: 1, deaths: 0 }) },
  version: '1.0.0',
  bucketsSeconds: RTT_BUCKETS_SECONDS,
});

const traffic = trafficOf('backend-1');
traffic.connections++;
traffic.active++;
traffic.bytesSent += 1_024;
traffic.bytesReceived += 2_048;

const exposition = await metrics.scrape();
process.stdout.write(exposition);
