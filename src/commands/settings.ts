import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { type Configuration, startConfiguration } from '../config/configuration.ts';
import type { Environment } from '../config/environment.ts';
import { type LoadedSettings, loadSettings } from '../config/load.ts';
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

async function settingsFile(
  env: Environment,
  configPath: string | undefined,
): Promise<SettingsFile | undefined> {
  const path = configPath ?? env['EDGEPROXY_CONFIG'];
  return path === undefined ? undefined : readSettingsFile(path, configPath === undefined);
}

async function readSettingsFile(path: string, isFromEnvironment: boolean): Promise<SettingsFile> {
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
