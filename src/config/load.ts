import { EdgeProxyError } from '../errors.ts';
import { SETTINGS } from './catalogue.ts';
import { type Environment, ENVIRONMENT_NAMES, readEnvironment } from './environment.ts';
import { effectless } from './effectless.ts';
import { hint } from './nearest-name.ts';
import type { Origin } from './origin.ts';
import { overruled } from './overruled.ts';
import { parseTree } from './parse-tree.ts';
import { relations } from './relations.ts';
import type { Settings } from './schema.ts';
import type { SqlSettings } from './sql-settings.ts';
import { lineOfKey, parseToml, type SettingsFile } from './toml-file.ts';
import { assign, at, type Tree } from './tree.ts';

export interface LoadedSettings {
  readonly settings: Settings;
  /** By setting key. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Settings that are given and have no effect, a line each. */
  readonly warnings: readonly string[];
}

/**
 * The effective settings: defaults, over them SQL, over that the file, over that the environment.
 *
 * Everything that is wrong is reported at once, a line each: `ERR_SETTINGS_FILE` for a file that is not TOML,
 * `ERR_SETTINGS_INVALID` for unknown names and bad values. Secrets are masked in every message.
 */
export function loadSettings(env: Environment, file?: SettingsFile, sql?: SqlSettings): LoadedSettings {
  const tree: Tree = file === undefined ? {} : parseToml(file);
  const { values, unknown } = readEnvironment(env);
  const origins = originsOf(tree, file, sql, values);
  for (const [key, { value }] of sql ?? []) {
    if (origins.get(key)?.from === 'sql') assign(tree, key.split('.'), value);
  }
  for (const { setting, value } of values) assign(tree, setting.key.split('.'), value);
  const parsed = parseTree(tree, origins, file);
  const problems = [
    ...unknown.map((name) => `${name}: no such variable${hint(name, ENVIRONMENT_NAMES)}`),
    ...(parsed.settings === undefined ? parsed.problems : relations(parsed.settings, origins, file)),
  ];
  if (problems.length > 0) throw new EdgeProxyError('ERR_SETTINGS_INVALID', problems.join('\n'));
  const settings = parsed.settings!;
  const warnings = [...overruled(sql ?? new Map(), settings, origins), ...effectless(settings, origins)];
  return { settings, origins, warnings };
}

/** The value of a setting by its dotted key. */
export function valueOf(settings: Settings, key: string): unknown {
  return at(settings, key.split('.'));
}

function originsOf(
  fileTree: Tree,
  file: SettingsFile | undefined,
  sql: SqlSettings | undefined,
  values: ReturnType<typeof readEnvironment>['values'],
): Map<string, Origin> {
  const origins = new Map<string, Origin>();
  for (const { key } of SETTINGS) {
    const path = key.split('.');
    const isInFile = file !== undefined && at(fileTree, path) !== undefined;
    origins.set(
      key,
      isInFile
        ? { from: 'file', path: file.path, line: lineOfKey(file.content, path) }
        : (sql?.get(key)?.origin ?? { from: 'default' }),
    );
  }
  for (const { setting, name } of values) origins.set(setting.key, { from: 'env', name });
  return origins;
}
