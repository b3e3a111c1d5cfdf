import { EdgeProxyError } from '../errors.ts';
import { SETTINGS } from './catalogue.ts';
import {
  changeBetween,
  changesOfRunning,
  type ConfigChange,
  diffSettings,
  type SettingChange,
} from './diff.ts';
import type { Environment } from './environment.ts';
import { type LoadedSettings, loadSettings } from './load.ts';
import type { Origin } from './origin.ts';
import type { Settings } from './schema.ts';
import { readSqlSettings, type SqlScope, type SqlSettingRow } from './sql-settings.ts';
import { parseToml, type SettingsFile } from './toml-file.ts';

/** What may change while a daemon runs; the environment cannot. */
export interface ConfigSources {
  /** `undefined` for a daemon that was started without one. */
  readonly file: SettingsFile | undefined;
  readonly rows: readonly SqlSettingRow[];
}

/** A source has other content, good or bad. */
export type ConfigInput =
  | { readonly source: 'file'; readonly file: SettingsFile }
  | { readonly source: 'sql'; readonly rows: readonly SqlSettingRow[] };

/** The configuration of a running daemon. */
export interface Configuration {
  readonly env: Environment;
  readonly scope: SqlScope;
  /** The newest content of the sources, which may be bad. */
  readonly newest: ConfigSources;
  /** The last content that was accepted. */
  readonly good: ConfigSources;
  /** What the good sources say. */
  readonly wanted: LoadedSettings;
  /** What the daemon goes by. */
  readonly inForce: Settings;
  /** Where the values in force come from. */
  readonly origins: ReadonlyMap<string, Origin>;
}

/** What an input comes to. */
export type ConfigOutcome =
  | { readonly type: 'CHANGED'; readonly change: ConfigChange }
  /** Other words for what is wanted already. */
  | { readonly type: 'UNCHANGED' }
  /** The input is bad: everything stays. Its `message` has a line for each thing that is wrong. */
  | { readonly type: 'REFUSED'; readonly error: Error };

/** The configuration that a daemon starts with. Fails as `loadSettings` and `readSqlSettings` do. */
export function startConfiguration(
  env: Environment,
  sources: ConfigSources,
  hostName: string,
): Configuration {
  const { settings: own } = loadSettings(env, sources.file);
  const scope = { region: own.region, node: own.node ?? hostName.toLowerCase() };
  const wanted = load(env, sources, scope);
  const { settings: inForce, origins } = wanted;
  return { env, scope, newest: sources, good: sources, wanted, inForce, origins };
}

/**
 * What becomes of a configuration when a source changes.
 *
 * A good one takes the place of the one before. A bad one is kept in mind and changes nothing: it is tried again
 * together with the next change of the other source, which may be what it waits for. So whatever comes, the daemon
 * goes by the last good content of each source.
 */
export function takeIn(
  before: Configuration,
  input: ConfigInput,
): { readonly after: Configuration; readonly outcome: ConfigOutcome } {
  const news = input.source === 'file' ? { file: input.file } : { rows: input.rows };
  const newest = { ...before.newest, ...news };
  const all = attempt(before, newest);
  // What is wrong beside the last good content of the other source is wrong with this one.
  const { sources, loaded: wanted } =
    all.loaded instanceof Error ? attempt(before, { ...before.good, ...news }) : all;
  if (wanted instanceof Error) {
    return { after: { ...before, newest }, outcome: { type: 'REFUSED', error: wanted } };
  }
  const change = changeBetween(before.inForce, wanted.settings);
  // What was not possible the last time is tried again.
  const isChanged =
    change.changes.length > 0 || diffSettings(before.wanted.settings, wanted.settings).length > 0;
  return {
    after: {
      ...before,
      newest,
      good: sources,
      wanted,
      inForce: change.settings,
      origins: originsInForce(before.origins, wanted.origins, change.needsRestart),
    },
    outcome: isChanged ? { type: 'CHANGED', change } : { type: 'UNCHANGED' },
  };
}

/** The configuration once some of a change turned out not to be possible: these keys keep their old values. */
export function withRefusals(before: Configuration, after: Configuration, inForce: Settings): Configuration {
  const refused = diffSettings(inForce, after.inForce);
  return { ...after, inForce, origins: originsInForce(before.origins, after.origins, refused) };
}

/** What is wanted and not in force, because it needs a restart or, with `reload`, was not possible. */
export function pendingOf({ inForce, wanted }: Configuration): readonly SettingChange[] {
  return changesOfRunning(inForce, wanted.settings);
}

/** Whether a file may be what its writer wants: it is good, and it says something. */
export function isWholeFile({ env, good, scope }: Configuration, file: SettingsFile): boolean {
  try {
    load(env, { ...good, file }, scope);
    return saysSomething(file);
  } catch {
    return false;
  }
}

function saysSomething(file: SettingsFile): boolean {
  return Object.keys(parseToml(file)).length > 0;
}

function attempt({ env, scope, good }: Configuration, sources: ConfigSources) {
  try {
    refuseEmptied(good.file, sources.file);
    return { sources, loaded: load(env, sources, scope) };
  } catch (thrown) {
    if (!(thrown instanceof EdgeProxyError)) throw thrown;
    return { sources, loaded: thrown };
  }
}

/** A full disk or a copy that was interrupted leaves an empty file: nobody's wish to have nothing but defaults. */
function refuseEmptied(before: SettingsFile | undefined, file: SettingsFile | undefined): void {
  if (file === undefined || before === undefined || saysSomething(file) || !saysSomething(before)) return;
  throw new EdgeProxyError(
    'ERR_SETTINGS_INVALID',
    `${file.path}: has no setting any more: expected at least one; for defaults alone, restart the daemon`,
  );
}

function load(env: Environment, { file, rows }: ConfigSources, scope: SqlScope): LoadedSettings {
  return loadSettings(env, file, readSqlSettings(rows, scope));
}

function originsInForce(
  old: ReadonlyMap<string, Origin>,
  next: ReadonlyMap<string, Origin>,
  kept: readonly SettingChange[],
): ReadonlyMap<string, Origin> {
  const isKept = new Set(kept.map(({ key }) => key));
  return new Map(SETTINGS.map(({ key }) => [key, (isKept.has(key) ? old : next).get(key)!]));
}
