import { isDeepStrictEqual } from 'node:util';
import { SETTINGS } from './catalogue.ts';
import { nameOf, type Origin } from './origin.ts';
import type { Settings } from './schema.ts';
import { at } from './tree.ts';

type Origins = ReadonlyMap<string, Origin>;

/** Keys that can do nothing as long as another setting is as it is. */
interface Idle {
  readonly keys: readonly string[];
  /** What that other one is called, and what it is. */
  readonly because: readonly [key: string, value: string];
}

/** Sections that are switched by their key `enabled`. */
const SWITCHED = [
  'postgres',
  'metrics',
  'admin',
  'tls',
  'api',
  'rate_limit',
  'circuit_breaker',
  'health_check',
  'pool',
  'config_watch',
] as const;

const keysIn = (section: string): readonly string[] =>
  SETTINGS.map(({ key }) => key).filter(
    (key) => key.startsWith(`${section}.`) && key !== `${section}.enabled`,
  );

const TERMINATION = [
  'threads',
  'cert',
  'key',
  'self_signed',
  'certificates',
  'min_version',
  'ciphers',
  'alpn',
  'client_auth',
  'client_ca',
  'handshake_timeout_secs',
].map((name) => `tls.${name}`);

const PASSTHROUGH = ['tls.hello_timeout_secs'];

/** Every setting that is given and can do nothing because of another: a line each. */
export function effectless(settings: Settings, origins: Origins): readonly string[] {
  const { max_connections: most, max_connections_per_client: perClient, queue } = settings;
  const { first_byte_timeout_secs: firstByte, idle_timeout_secs: idle } = settings;
  const lines = idleOf(settings).flatMap(({ keys, because: [key, value] }) =>
    keys
      .filter((one) => isGiven(one, settings, origins))
      .map((one) => `${nameOf(one, origins)} has no effect: ${nameOf(key, origins)} is ${value}`),
  );
  const named = (key: string, value: number): string => `${nameOf(key, origins)} = ${value}`;
  if (most > 0 && perClient >= most) {
    const limit = named('max_connections', most);
    lines.push(`${named('max_connections_per_client', perClient)} has no effect beside ${limit}`);
  }
  if (most > 0 && queue.max > most) {
    const limit = named('max_connections', most);
    lines.push(`${named('queue.max', queue.max)} has no effect above ${limit}: who waits counts towards it`);
  }
  if (idle > 0 && firstByte > idle) {
    const sooner = named('idle_timeout_secs', idle);
    lines.push(
      `${named('first_byte_timeout_secs', firstByte)} has no effect beside ${sooner}, which is shorter`,
    );
  }
  return lines;
}

function idleOf(settings: Settings): readonly Idle[] {
  const { tls, queue, engine } = settings;
  const off = SWITCHED.filter((section) => !settings[section].enabled);
  const idle: Idle[] = off.map((section) => ({
    keys: keysIn(section).filter((key) => !isOfUseElsewhere(key, settings)),
    because: [`${section}.enabled`, 'false'],
  }));
  if (engine === 'net')
    idle.unshift({ keys: ['threads', 'syscalls', ...keysIn('tcp')], because: ['engine', 'net'] });
  if (!settings.api.enabled) idle.push({ keys: ['heartbeat_ttl_secs'], because: ['api.enabled', 'false'] });
  if (queue.max === 0) idle.push({ keys: ['queue.timeout_secs'], because: ['queue.max', '0'] });
  if (settings.postgres.enabled) idle.push({ keys: ['backends'], because: ['postgres.enabled', 'true'] });
  if (!tls.enabled) return idle;
  const isPassthrough = tls.mode === 'passthrough';
  idle.push({ keys: isPassthrough ? TERMINATION : PASSTHROUGH, because: ['tls.mode', tls.mode] });
  if (!isPassthrough && tls.client_auth === 'off')
    idle.push({ keys: ['tls.client_ca'], because: ['tls.client_auth', 'off'] });
  return idle;
}

/** Whether somebody beside the section goes by a key of it. */
function isOfUseElsewhere(key: string, settings: Settings): boolean {
  const { admin, metrics, api, tls } = settings;
  switch (key) {
    // `edgeproxy sql` uses these whether or not a daemon does.
    case 'postgres.url':
    case 'postgres.connect_timeout_secs':
    case 'postgres.query_timeout_secs':
      return true;
    case 'admin.token':
    case 'admin.token_file':
      return admin.enabled || metrics.enabled || api.enabled;
    case 'rate_limit.ipv6_prefix':
      return settings.max_connections_per_client > 0;
    // Certificates are looked at as often.
    case 'config_watch.interval_secs':
      return tls.enabled && tls.mode === 'terminate';
    default:
      return false;
  }
}

/** Somebody has set it to something else than the default. */
function isGiven(key: string, settings: Settings, origins: Origins): boolean {
  if ((origins.get(key)?.from ?? 'default') === 'default') return false;
  const { standard } = SETTINGS.find((one) => one.key === key)!;
  return !isDeepStrictEqual(at(settings, key.split('.')), standard);
}
