import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { loadSettingsState } from '../adapters/file/settings-state.ts';
import { readRowsOnce, settingsStatePath } from '../composition/start-rows.ts';
import { type Configuration, startConfiguration } from '../config/configuration.ts';
import type { Environment } from '../config/environment.ts';
import { type LoadedSettings, loadSettings } from '../config/load.ts';
import { naming } from '../config/origin.ts';
import type { SqlSettingRow } from '../config/sql-settings.ts';
import type { SettingsFile } from '../config/toml-file.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';

/** Reads the file that `--config` or `EDGEPROXY_CONFIG` names, if any, and loads the settings. */
export async function readSettings(
  env: Environment,
  configPath: string | undefined,
): Promise<LoadedSettings> {
  return loadSettings(env, await settingsFile(env, configPath));
}

/** The same as a configuration that can be followed. */
export async function readConfiguration(
  env: Environment,
  configPath: string | undefined,
): Promise<Configuration> {
  return startConfiguration(env, { file: await settingsFile(env, configPath), rows: [] }, hostname());
}

interface EffectiveConfiguration {
  readonly configuration: Configuration;
  /** Why it is not by the rows that there are, a line each. */
  readonly notes: readonly string[];
}

/** What to do where a row of settings is bad, alone or beside the file. */
type OnBadRows = 'fail' | 'as a start';

/**
 * The configuration that a daemon started now would have: the same with the settings in SQL, where there is a
 * database; where that does not answer, with those that were known last, and without any where these are bad.
 */
export async function readEffective(
  env: Environment,
  configPath: string | undefined,
  onBadRows: OnBadRows = 'fail',
): Promise<EffectiveConfiguration> {
  const base = await readConfiguration(env, configPath);
  if (!base.inForce.postgres.enabled) return { configuration: base, notes: [] };
  return naming(base.origins, () => withRows(base, onBadRows));
}

async function withRows(base: Configuration, onBadRows: OnBadRows): Promise<EffectiveConfiguration> {
  let rows: readonly SqlSettingRow[];
  try {
    rows = (await readRowsOnce(base, new AbortController().signal)) ?? [];
  } catch (error) {
    return withKeptRows(base, messageOf(error));
  }
  try {
    return { configuration: withSettings(base, rows), notes: [] };
  } catch (error) {
    if (onBadRows === 'fail' || !(error instanceof EdgeProxyError)) throw error;
    return withKeptRows(base, error.message);
  }
}

/** @param problem of the rows that there are now */
async function withKeptRows(base: Configuration, problem: string): Promise<EffectiveConfiguration> {
  try {
    const kept = await loadSettingsState(settingsStatePath(base.inForce));
    if (kept !== undefined) {
      const savedAt = new Date(kept.savedAtMs).toISOString();
      const notes = [`note: with the settings in SQL as they were at ${savedAt}: ${problem}`];
      return { configuration: withSettings(base, kept.rows), notes };
    }
  } catch (error) {
    if (!(error instanceof EdgeProxyError)) throw error;
    const notes = [
      `note: without the settings in SQL: ${problem}`,
      `note: those that were known last cannot take their place: ${error.message}`,
    ];
    return { configuration: base, notes };
  }
  return { configuration: base, notes: [`note: without the settings in SQL: ${problem}`] };
}

function withSettings({ env, good, scope }: Configuration, rows: readonly SqlSettingRow[]): Configuration {
  return startConfiguration(env, { file: good.file, rows }, scope.node);
}

async function settingsFile(
  env: Environment,
  configPath: string | undefined,
): Promise<SettingsFile | undefined> {
  const path = configPath ?? env['EDGEPROXY_CONFIG'];
  return path === undefined ? undefined : readSettingsFile(path, configPath === undefined);
}

export async function readSettingsFile(path: string, isFromEnvironment: boolean): Promise<SettingsFile> {
  try {
    return { path, content: await readFile(path, 'utf8') };
  } catch (error) {
    const source = isFromEnvironment ? 'EDGEPROXY_CONFIG' : '--config';
    throw new EdgeProxyError(
      'ERR_SETTINGS_FILE',
      `${source} = ${JSON.stringify(path)}: cannot be read: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
