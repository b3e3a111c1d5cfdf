import { isDeepStrictEqual } from 'node:util';
import { SETTINGS } from './catalogue.ts';
import { listenerMoves } from './listeners.ts';
import { valueOf } from './load.ts';
import type { Settings } from './schema.ts';

/** One setting that differs between two configurations; `undefined` where it has no value. */
export interface SettingChange {
  /** Dotted key, such as `rate_limit.burst`. A table such as `geoip.cidrs` or `backends` is one setting. */
  readonly key: string;
  readonly old: unknown;
  readonly new: unknown;
  /** It takes effect in a running daemon. */
  readonly reload: boolean;
  /** Neither value may be printed. */
  readonly secret?: true;
}

/** What differs, in the order of the schema, by value: order within a table does not count, within a list it does. */
export function diffSettings(old: Settings, next: Settings): readonly SettingChange[] {
  return SETTINGS.flatMap(({ key, reload, secret }) => {
    const change = { key, old: valueOf(old, key), new: valueOf(next, key), reload };
    if (isDeepStrictEqual(change.old, change.new)) return [];
    return [secret === true ? { ...change, secret } : change];
  });
}

/** A new configuration beside the one that runs. */
export interface ConfigChange {
  /** What is in force from now on: the new one, in which every key that needs a restart keeps its running value. */
  readonly settings: Settings;
  /** What takes effect now. */
  readonly changes: readonly SettingChange[];
  /** What differs from the running value, and takes effect at the next start only. */
  readonly needsRestart: readonly SettingChange[];
}

/** Separates what takes effect now from what needs a restart. */
export function changeBetween(running: Settings, next: Settings): ConfigChange {
  const all = changesOfRunning(running, next);
  const needsRestart = all.filter(({ reload }) => !reload);
  const settings = needsRestart.reduce((mixed, { key, old }) => withSetting(mixed, key, old), next);
  return { settings, changes: all.filter(({ reload }) => reload), needsRestart };
}

/**
 * What differs from the settings of a running daemon, `reload` being whether it can take effect in that one.
 *
 * Who may use the admin listener is settled at the start. Where that is to change, the listener neither comes nor
 * moves before the restart: it would let in whom the new configuration keeps out. Nor does a listener that wants an
 * address which another one does not leave before.
 */
export function changesOfRunning(running: Settings, next: Settings): readonly SettingChange[] {
  const changed = diffSettings(running, next);
  const isGuardedAnew = changed.some(({ key, reload }) => !reload && isOfAdmin(key));
  const all = changed.map((change) =>
    isGuardedAnew && isOfAdmin(change.key) ? { ...change, reload: false } : change,
  );
  const isFixed = (address: string): boolean =>
    all.some(({ key, reload }) => !reload && isOfListener(key, address));
  const { stuck } = listenerMoves(running, next, isFixed);
  return all.map((change) =>
    stuck.some((address) => isOfListener(change.key, address)) ? { ...change, reload: false } : change,
  );
}

/** Whether a key says where a listener is, or that it is. @param address key of its address */
function isOfListener(key: string, address: string): boolean {
  const isRoute = address === 'listen_addr' && key === 'routes';
  return key === address || isRoute || key === address.replace(/listen_addr$/, 'enabled');
}

function isOfAdmin(key: string): boolean {
  return key.startsWith('admin.');
}

/** The settings with another value for a key. */
export function withSetting(settings: Settings, key: string, value: unknown): Settings {
  return withValue(settings, key.split('.'), value);
}

/** A copy with another value at a path; what is not on the path is shared. */
function withValue<T extends object>(tree: T, [name, ...rest]: readonly string[], value: unknown): T {
  const child: unknown = Reflect.get(tree, name!);
  const isTable = rest.length > 0 && typeof child === 'object' && child !== null;
  return { ...tree, [name!]: isTable ? withValue(child, rest, value) : value };
}
