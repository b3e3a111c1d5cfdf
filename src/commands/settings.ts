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
 * database; where that does not answer, with those that were known last. `notes` say so, a line each.
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
  const { env } = base;
  let rows: readonly SqlSettingRow[] | undefined;
  try {
    rows = await readRowsOnce(base, new AbortController().signal);
  } catch (error) {
    const kept = await loadSettingsState(settingsStatePath(base.inForce));
    const sources = { file: base.good.file, rows: kept?.rows ?? [] };
    const what =
      kept === undefined
        ? 'without the settings in SQL'
        : `with the settings in SQL as they were at ${new Date(kept.savedAtMs).toISOString()}`;
    return {
      configuration: startConfiguration(env, sources, base.scope.node),
      notes: [`note: ${what}: ${messageOf(error)}`],
    };
  }
  const sources = { file: base.good.file, rows: rows ?? [] };
  return { configuration: startConfiguration(env, sources, base.scope.node), notes: [] };
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
