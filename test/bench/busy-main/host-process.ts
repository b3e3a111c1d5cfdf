import { createMetrics } from '../../../src/adapters/prometheus/metrics.ts';
import { createProxy } from '../../../src/composition/proxy.ts';
import { listenAsWanted } from '../../../src/composition/proxy-listeners.ts';
import { systemNow as now } from '../../../src/composition/system-clock.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { deriveEligibleSet, memberOf } from '../../../src/domain/eligibility.ts';
import { RTT_BUCKETS_SECONDS } from '../../../src/proxy/counters.ts';
import { aBackend } from '../../support/backends.ts';
import { silentLogger } from '../../support/proxy.ts';

/**
 * The proxy of a daemon in a process of its own, whose main thread can be kept busy.
 *
 *     node host-process.ts ENGINE BACKEND_PORT      says its port; told `busy`, works until it is told `idle`
 */
const ROWS = 10_000;
const POLICY = { excludesUnchecked: false, panicThresholdPercent: 0 };

const [engineName = '', backendPort] = process.argv.slice(2);
const { settings } = loadSettings({
  EDGEPROXY_ENGINE: engineName,
  EDGEPROXY_LISTEN_ADDR: '127.0.0.1:0',
  EDGEPROXY_REGION: 'sa',
  EDGEPROXY_THREADS: '1',
});
const proxy = await createProxy({
  settings,
  logger: silentLogger,
  now,
  onOutcomes: () => {},
  onInForce: () => {},
  isAtEase: () => true,
});
const engine = await proxy.startEngine();
const metrics = createMetrics({
  traffic: proxy.traffic,
  limiter: proxy.limiter,
  pool: proxy.pool,
  fleet: { report: () => [] },
  engine: { report: () => ({ ...proxy.choice, ...engine.threads() }) },
  version: 'bench',
  bucketsSeconds: RTT_BUCKETS_SECONDS,
});

/** One backend near the clients, which serves them all, and thousands far away. */
const members = (weight: number) =>
  Array.from({ length: ROWS }, (_, index) =>
    memberOf(
      index === 0
        ? aBackend({ id: 'near', port: Number(backendPort), hardLimit: 0 })
        : aBackend({ id: `far-${index}`, region: `r${index % 5}`, country: `C${index % 50}`, weight }),
    ),
  );
const tables = [members(1), members(2)];
let version = 0;
let scrapes = 0;

function apply(): void {
  version++;
  engine.apply(deriveEligibleSet(tables[version % 2]!, version, POLICY));
}

async function work(idle: AbortSignal): Promise<void> {
  while (!idle.aborted) {
    apply();
    await new Promise((resolve) => setImmediate(resolve));
    await metrics.scrape();
    scrapes++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  process.send!({ sets: version, scrapes });
}

apply();
let idle = new AbortController();
process.on('message', (word) => {
  idle.abort();
  idle = new AbortController();
  if (word === 'busy') void work(idle.signal);
});
const { proxy: address } = await listenAsWanted(engine, settings);
process.send!({ port: address.port });
