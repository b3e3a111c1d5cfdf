import type { Socket } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { RELOADABLE_KEYS } from '../../src/composition/apply-settings.ts';
import { SETTINGS } from '../../src/config/catalogue.ts';
import { anEchoBackend, anEchoClient, exchange } from '../support/edge.ts';
import { anOwnDaemon, ENGINE_UNDER_TEST } from '../support/own-daemon.ts';

const CHANGES = 200;
const CLIENTS = 32;

/** For each setting values that mean nothing to clients who are well served. */
const HARMLESS: Readonly<Record<string, readonly string[]>> = {
  connect_timeout_secs: ['5', '60'],
  connect_attempts: ['1', '3'],
  idle_timeout_secs: ['0', '600'],
  half_closed_timeout_secs: ['0', '600'],
  first_byte_timeout_secs: ['0', '600'],
  max_connections: ['0', '1000', '2000'],
  max_connections_per_client: ['0', '1000', '2000'],
  'queue.max': ['0', '100'],
  'queue.timeout_secs': ['5', '60'],
  shutdown_timeout_secs: ['1', '30'],
  drain_timeout_secs: ['30', '300'],
  heartbeat_ttl_secs: ['5', '60'],
  panic_threshold_percent: ['0', '50'],
  log_level: ['info', 'debug'],
  'tls.handshake_timeout_secs': ['5', '10'],
  'tls.max_handshakes': ['500', '1000'],
  'binding.ttl_secs': ['0', '600'],
  'binding.gc_interval_secs': ['1', '60'],
  'rate_limit.enabled': ['false', 'true'],
  'rate_limit.max_requests': ['1000000', '2000000'],
  'rate_limit.window_secs': ['1', '2'],
  'rate_limit.burst': ['100000', '200000'],
  'rate_limit.exempt': ['', '10.0.0.0/8', '127.0.0.0/8'],
  'proxy_protocol.trusted': ['', '10.0.0.0/8'],
  'proxy_protocol.timeout_secs': ['5', '6'],
  'circuit_breaker.enabled': ['false', 'true'],
  'circuit_breaker.failure_threshold': ['5', '50'],
  'circuit_breaker.success_threshold': ['1', '3'],
  'circuit_breaker.timeout_secs': ['1', '30'],
  'circuit_breaker.lease_secs': ['1', '30'],
  'health_check.enabled': ['false', 'true'],
  'health_check.interval_secs': ['1', '5'],
  'health_check.timeout_secs': ['2', '5'],
  'health_check.max_in_flight': ['1', '200'],
  'health_check.healthy_threshold': ['1', '2'],
  'health_check.unhealthy_threshold': ['3', '5'],
  'health_check.on_down': ['keep', 'drain', 'cut'],
  'pool.enabled': ['false', 'true'],
  'pool.max_per_backend': ['1', '20'],
  'pool.idle_timeout_secs': ['1', '60'],
  'pool.max_lifetime_secs': ['1', '300'],
  'pool.connect_timeout_secs': ['1', '5'],
  'tls.hello_timeout_secs': ['5', '60'],
  'tls.default_app': ['x', 'y'],
  'metrics.enabled': ['true', 'false'],
  'admin.enabled': ['false', 'true'],
  'config_watch.interval_secs': ['1', '60'],
};

/** What has no such values: where clients go, what a backend has to understand, and what is on disk. */
const HARMFUL = [
  'listen_addr',
  'app',
  'routes',
  'tls.server_names',
  'metrics.listen_addr',
  'admin.listen_addr',
  'geoip.path',
  'geoip.cidrs',
  'geoip.regions',
  'proxy_protocol.send',
  'health_check.initial',
  'health_check.type',
  'health_check.path',
  'health_check.expected_status',
  'backends',
];

const envOf = new Map(SETTINGS.map(({ key, env }) => [key, env!]));

/** Exchanges words with the backend, until told to stop; resolves with how many. */
async function talk(socket: Socket, over: AbortSignal): Promise<number> {
  let words = 0;
  for (; !over.aborted; words++) await exchange(socket, `word ${words}`);
  return words;
}

/** Comes and goes until told to stop; resolves with how often. */
async function visit(port: number, over: AbortSignal): Promise<number> {
  let visits = 0;
  for (; !over.aborted; visits++) (await anEchoClient(port)).destroy();
  return visits;
}

describe('every setting that takes effect in a running daemon', () => {
  it('has harmless values, or is known to have none', () => {
    expect([...Object.keys(HARMLESS), ...HARMFUL].toSorted()).toEqual([...RELOADABLE_KEYS].toSorted());
  });

  it.each(process.platform === 'linux' ? ['net', 'epoll'] : ['net'])(
    'on the %s engine, changes over and over, and clients notice nothing',
    async (engine) => {
      vi.stubEnv(ENGINE_UNDER_TEST, engine);
      onTestFinished(() => void vi.unstubAllEnvs());
      const backends = await Promise.all([anEchoBackend(), anEchoBackend()]);
      const daemon = await anOwnDaemon({
        env: {
          EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0',
          // The default would refuse some, once the limit is switched on.
          EDGEPROXY_RATE_LIMIT_MAX_REQUESTS: HARMLESS['rate_limit.max_requests']![0]!,
          EDGEPROXY_RATE_LIMIT_BURST: HARMLESS['rate_limit.burst']![0]!,
        },
        backends: backends.map(({ port }, index) => ({ id: `b${index}`, port, more: 'hard_limit = 0' })),
      });
      const seed = Date.now();
      const change = fc
        .constantFrom(...Object.keys(HARMLESS))
        .chain((key) => fc.constantFrom(...HARMLESS[key]!).map((value) => [envOf.get(key)!, value] as const));
      const changes = fc.sample(fc.array(change, { minLength: 1, maxLength: 6 }), { numRuns: CHANGES, seed });
      const made: unknown[] = [];
      const changeAll = async (): Promise<void> => {
        for (const some of changes) {
          made.push(some);
          const { refused } = await daemon.change({ env: Object.fromEntries(some) });
          expect(refused).toEqual([]);
          // Somebody new with every change.
          (await anEchoClient(daemon.port)).destroy();
        }
      };
      const over = new AbortController();
      const clients = await Promise.all(Array.from({ length: CLIENTS }, () => anEchoClient(daemon.port)));
      const talks = Promise.all(clients.map((client) => talk(client, over.signal)));
      const visits = visit(daemon.port, over.signal);
      try {
        // Whoever is harmed first says how.
        await Promise.race([changeAll(), talks, visits]);
      } catch (cause) {
        const told = daemon.logs.filter(({ level }) => level === 'error' || level === 'warn');
        throw new Error(`seed ${seed}, ${JSON.stringify({ made, told })}`, { cause });
      }
      over.abort();
      expect(Math.min(...(await talks))).toBeGreaterThan(0);
      expect(await visits).toBeGreaterThan(0);
      await daemon.change({ env: { EDGEPROXY_METRICS_ENABLED: 'true' } });
      expect(daemon.logs.filter(({ level }) => level === 'error')).toEqual([]);
      expect(daemon.logs.filter(({ msg }) => msg === 'clients are refused')).toEqual([]);
    },
  );
});
