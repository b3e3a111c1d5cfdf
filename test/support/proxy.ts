import type { Backend } from '../../src/domain/backend.ts';
import type { ClientGeo } from '../../src/domain/geo.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { Logger } from '../../src/domain/ports.ts';
import { Affinity } from '../../src/proxy/affinity.ts';
import { Counters } from '../../src/proxy/counters.ts';
import { NetEngine, type NetEngineOptions } from '../../src/proxy/net-engine.ts';
import { Router } from '../../src/proxy/router.ts';
import { SlotTable } from '../../src/proxy/slot-table.ts';
import { aSet } from './backends.ts';
import { createTrafficSource } from '../../src/proxy/traffic.ts';

export const silentLogger: Logger = { error() {}, warn() {}, info() {}, debug() {} };

export interface TestRouter {
  readonly router: Router;
  readonly counters: Counters;
  readonly slots: SlotTable;
  readonly affinity: Affinity;
  readonly apply: (backends: readonly Backend[]) => void;
}

export interface TestRouterOptions {
  readonly bindingTtlMs?: number;
  readonly now?: () => number;
  readonly random?: () => number;
  readonly geo?: Readonly<Record<string, ClientGeo>>;
  readonly maxSlots?: number;
}

/** A router in region `sa` with affinity off, unless said otherwise. */
export function aRouter(options: TestRouterOptions = {}): TestRouter {
  const { bindingTtlMs = 0, now = () => performance.now(), random = Math.random, geo = {} } = options;
  const counters = new Counters(options.maxSlots);
  const slots = new SlotTable(counters);
  const affinity = new Affinity({ ttlMs: bindingTtlMs, now });
  const locate = (address: string) => geo[address];
  const router = new Router({ ownRegion: 'sa', geo: { locate }, affinity, counters, slots, random });
  let version = 0;
  return {
    router,
    counters,
    slots,
    affinity,
    apply: (backends) => void router.apply(aSet(backends, ++version)),
  };
}

/** A portable engine that listens on a free loopback port and routes to `backends`. */
export async function startEngine(
  backends: readonly Backend[],
  options: Partial<NetEngineOptions> & TestRouterOptions = {},
) {
  const parts = aRouter(options);
  const outcomes: Outcome[] = [];
  const engine = new NetEngine({
    address: { host: '127.0.0.1', port: 0 },
    addressSetting: 'EDGEPROXY_LISTEN_ADDR',
    router: parts.router,
    counters: parts.counters,
    logger: silentLogger,
    now: () => performance.now(),
    onOutcomes: (batch) => outcomes.push(...batch),
    connectTimeoutMs: 5_000,
    connectAttempts: 3,
    idleTimeoutMs: 0,
    ...options,
  });
  parts.apply(backends);
  const { port } = await engine.listen();
  return { ...parts, engine, port, outcomes, traffic: createTrafficSource(parts.counters, parts.slots) };
}
