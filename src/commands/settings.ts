import { readFile } from 'node:fs/promises';
import type { Environment } from '../config/environment.ts';
import { type LoadedSettings, loadSettings } from '../config/load.ts';
import type { SettingsFile } from '../config/toml-file.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';

/** Reads the file that `--config` or `EDGEPROXY_CONFIG` names, if any, and loads the settings. */
export async function readSettings(
  env: Environment,
  configPath: string | undefined,
): Promise<LoadedSettings> {
  const path = configPath ?? env['EDGEPROXY_CONFIG'];
  return loadSettings(
    env,
    path === undefined ? undefined : await readSettingsFile(path, configPath === undefined),
  );
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
