import { type ConfigChange, withSetting } from '../config/diff.ts';
import { listenerMoves } from '../config/listeners.ts';
import type { Settings } from '../config/schema.ts';
import type { SettingKey } from '../config/setting-key.ts';
import { messageOf } from '../errors.ts';

/**
 * Who takes which settings over in a running daemon, in this order. Several may want the same one.
 *
 * A test holds the schema to it: the keys here are those that are marked as reloadable.
 */
export const KEYS_OF = {
  listeners: ['listen_addr', 'app', 'routes'],
  metricsListener: ['metrics.enabled', 'metrics.listen_addr'],
  adminListener: ['admin.enabled', 'admin.listen_addr'],
  geoFile: ['geoip.path'],
  geoTables: ['geoip.cidrs', 'geoip.regions'],
  log: ['log_level'],
  fileWatch: ['config_watch.interval_secs'],
  lifecycle: ['shutdown_timeout_secs'],
  probes: ['health_check.max_in_flight'],
  fleet: [
    'drain_timeout_secs',
    'circuit_breaker.enabled',
    'circuit_breaker.failure_threshold',
    'circuit_breaker.success_threshold',
    'circuit_breaker.timeout_secs',
    'circuit_breaker.lease_secs',
    'health_check.enabled',
    'health_check.interval_secs',
    'health_check.timeout_secs',
    'health_check.type',
    'health_check.path',
    'health_check.expected_status',
    'health_check.healthy_threshold',
    'health_check.unhealthy_threshold',
    'health_check.on_down',
    'proxy_protocol.send',
  ],
  engine: [
    'connect_timeout_secs',
    'connect_attempts',
    'idle_timeout_secs',
    'half_closed_timeout_secs',
    'first_byte_timeout_secs',
    'max_connections',
    'max_connections_per_client',
    'queue.max',
    'queue.timeout_secs',
    'log_level',
    'binding.ttl_secs',
    'rate_limit.enabled',
    'rate_limit.max_requests',
    'rate_limit.window_secs',
    'rate_limit.burst',
    'rate_limit.exempt',
    'proxy_protocol.trusted',
    'proxy_protocol.timeout_secs',
    'proxy_protocol.send',
    'health_check.enabled',
    'health_check.max_in_flight',
    'pool.enabled',
    'pool.max_per_backend',
    'pool.idle_timeout_secs',
    'pool.max_lifetime_secs',
    'pool.connect_timeout_secs',
    'app',
    'tls.server_names',
    'tls.default_app',
    'tls.hello_timeout_secs',
    'tls.handshake_timeout_secs',
    'tls.max_handshakes',
    // How often certificates are looked at.
    'config_watch.interval_secs',
  ],
  // After the engine, as the header that connections begin with is in the set.
  eligibility: [
    'panic_threshold_percent',
    'health_check.initial',
    'proxy_protocol.send',
    'app',
    'routes',
    'tls.server_names',
    'tls.default_app',
  ],
  bindings: ['binding.gc_interval_secs'],
  backends: ['backends'],
  registrations: ['heartbeat_ttl_secs'],
} as const satisfies Readonly<Record<string, readonly SettingKey[]>>;

type Taker = keyof typeof KEYS_OF;

/** Each brings all of the settings that it goes by into force; one that cannot throws, and goes by the old ones still. */
export type SettingsTakers = Readonly<Record<Taker, (settings: Settings) => void | Promise<void>>>;

/** Settings that take effect in a running daemon. */
export const RELOADABLE_KEYS: ReadonlySet<string> = new Set(Object.values(KEYS_OF).flat());

/** A setting that could not be brought into force, and why. */
export interface Refusal {
  readonly key: string;
  readonly reason: string;
}

export interface AppliedSettings {
  /** What is in force: what was asked for, in which every key that was refused keeps its old value. */
  readonly settings: Settings;
  readonly refused: readonly Refusal[];
}

/**
 * Brings a change into force: asks everybody who goes by a key that has changed, one after the other; listeners first,
 * each once the address that it wants is free. Who is absent has nothing to say against it.
 */
export async function applySettings(
  { settings: wanted, changes }: Pick<ConfigChange, 'settings' | 'changes'>,
  takers: Partial<SettingsTakers>,
): Promise<AppliedSettings> {
  const running = changes.reduce((mixed, { key, old }) => withSetting(mixed, key, old), wanted);
  let settings = wanted;
  const refused: Refusal[] = [];
  for (const taker of inOrder(running, wanted)) {
    const keys: readonly string[] = KEYS_OF[taker];
    const concerned = changes.filter(({ key }) => keys.includes(key));
    if (concerned.length === 0) continue;
    try {
      // One before it may have been refused, and keep its address.
      if (listenerMoves(running, settings).stuck.some((address) => keys.includes(address)))
        throw new Error('another listener of this daemon keeps that address');
      // oxlint-disable-next-line no-await-in-loop -- each goes by what those before it have refused
      await takers[taker]?.(settings);
    } catch (error) {
      const reason = messageOf(error);
      for (const { key, old } of concerned) {
        settings = withSetting(settings, key, old);
        refused.push({ key, reason });
      }
    }
  }
  return { settings, refused };
}

/** Listeners by how they can move, then the others. */
function inOrder(running: Settings, wanted: Settings): readonly Taker[] {
  const { order } = listenerMoves(running, wanted);
  const rank = (taker: Taker): number => {
    const keys: readonly string[] = KEYS_OF[taker];
    const moves = order.findIndex((address) => keys.includes(address));
    return moves < 0 ? order.length : moves;
  };
  return (Object.keys(KEYS_OF) as Taker[]).toSorted((one, other) => rank(one) - rank(other));
}
