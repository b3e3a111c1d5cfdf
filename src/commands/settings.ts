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
  readonly notes: readonly string[];
}

/**
 * The configuration that a daemon started now would have: the same with the settings in SQL, where there is a
 * database; where that does not answer or a row is bad, with those that were known last, and without any where these
 * are bad. `notes` say so, a line each.
 */
export async function readEffective(
  env: Environment,
  configPath: string | undefined,
): Promise<EffectiveConfiguration> {
  const base = await readConfiguration(env, configPath);
  if (!base.inForce.postgres.enabled) return { configuration: base, notes: [] };
  return naming(base.origins, () => withRows(base));
}

async function withRows(base: Configuration): Promise<EffectiveConfiguration> {
  try {
    const rows = await readRowsOnce(base, new AbortController().signal);
    return { configuration: withSettings(base, rows ?? []), notes: [] };
  } catch (error) {
    return withKeptRows(base, messageOf(error));
  }
}

/** @param problem of the rows that there are now */
async function withKeptRows(base: Configuration, problem: string): Promise<EffectiveConfiguration> {
  const kept = await loadSettingsState(settingsStatePath(base.inForce));
  if (kept !== undefined) {
    const savedAt = new Date(kept.savedAtMs).toISOString();
    try {
      const notes = [`note: with the settings in SQL as they were at ${savedAt}: ${problem}`];
      return { configuration: withSettings(base, kept.rows), notes };
    } catch (error) {
      const notes = [
        `note: without the settings in SQL: ${problem}`,
        `note: those of ${savedAt} cannot take their place: ${messageOf(error)}`,
      ];
      return { configuration: base, notes };
    }
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
