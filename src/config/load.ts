import type { z } from 'zod';
import { EdgeProxyError } from '../errors.ts';
import { type Setting, SETTINGS } from './catalogue.ts';
import { type Environment, ENVIRONMENT_NAMES, readEnvironment } from './environment.ts';
import { hint } from './nearest-name.ts';
import { nameOf, type Origin } from './origin.ts';
import { effectless, relations } from './relations.ts';
import { type Settings, settingsSchema, STATIC_BACKEND_KEYS } from './schema.ts';
import { lineOfKey, parseToml, type SettingsFile } from './toml-file.ts';

export interface LoadedSettings {
  readonly settings: Settings;
  /** By setting key. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Settings that are given and have no effect, a line each. */
  readonly warnings: readonly string[];
}

type Tree = Record<string, unknown>;

/**
 * The effective settings: defaults, over them the file, over that the environment.
 *
 * Everything that is wrong is reported at once, a line each: `ERR_SETTINGS_FILE` for a file that is not TOML,
 * `ERR_SETTINGS_INVALID` for unknown names and bad values, `ERR_FEATURE_UNAVAILABLE` for a feature switched on that
 * this version lacks. Secrets are masked in every message.
 */
export function loadSettings(env: Environment, file?: SettingsFile): LoadedSettings {
  const tree: Tree = file === undefined ? {} : parseToml(file);
  const { values, unknown } = readEnvironment(env);
  const origins = originsOf(tree, file, values);
  for (const { setting, value } of values) assign(tree, setting.key.split('.'), value);
  const parsed = settingsSchema.safeParse(tree);
  const problems = [
    ...unknown.map((name) => `${name}: no such variable${hint(name, ENVIRONMENT_NAMES)}`),
    ...(parsed.success ? relations(parsed.data, origins) : parsed.error.issues.flatMap(describe)),
  ];
  if (problems.length > 0) throw new EdgeProxyError('ERR_SETTINGS_INVALID', problems.join('\n'));
  const settings = parsed.data!;
  refuseUnavailable(settings, origins);
  return { settings, origins, warnings: effectless(settings, origins) };

  function describe(issue: z.core.$ZodIssue): readonly string[] {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((name) => {
        const path = [...issue.path, name];
        const known = namesAt(issue.path);
        const near = issue.path.length === 0 ? [...known, ...SETTINGS.map(({ key }) => key)] : known;
        return `${placeOf(path)}${dotted(path)}: no such key${hint(name, near, known)}`;
      });
    }
    const setting = SETTINGS.find(({ key }) => isAtOrBelow(issue.path, key));
    const origin = setting === undefined ? undefined : origins.get(setting.key);
    const item = issue.path.at(-1);
    const list = at(tree, issue.path.slice(0, -1));
    const ofList =
      typeof item === 'number' && Array.isArray(list) && list.length > 1 ? `, item ${item + 1}` : '';
    const name =
      origin?.from === 'env' ? `${origin.name}${ofList}` : `${placeOf(issue.path)}${dotted(issue.path)}`;
    const isSecret = SETTINGS.some(({ key, secret }) => secret === true && holds(issue.path, key));
    const value = isSecret ? '***' : (JSON.stringify(at(tree, issue.path)) ?? 'nothing');
    return [`${name} = ${value}: ${expectation(issue, setting)}`];
  }

  function placeOf(path: readonly PropertyKey[]): string {
    if (file === undefined) return '';
    const line = lineOfKey(file.content, path);
    return line === undefined ? `${file.path}: ` : `${file.path}:${line}: `;
  }
}

/** The value of a setting by its dotted key. */
export function valueOf(settings: Settings, key: string): unknown {
  return at(settings, key.split('.'));
}

function originsOf(
  fileTree: Tree,
  file: SettingsFile | undefined,
  values: ReturnType<typeof readEnvironment>['values'],
): Map<string, Origin> {
  const origins = new Map<string, Origin>();
  for (const { key } of SETTINGS) {
    const path = key.split('.');
    const isInFile = file !== undefined && at(fileTree, path) !== undefined;
    origins.set(
      key,
      isInFile ? { from: 'file', path: file.path, line: lineOfKey(file.content, path) } : { from: 'default' },
    );
  }
  for (const { setting, name } of values) origins.set(setting.key, { from: 'env', name });
  return origins;
}

/** What is expected of a value: the words of the schema where it has some, else those of the setting's type. */
function expectation(issue: z.core.$ZodIssue, setting: Setting | undefined): string {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  if (issue.code === 'invalid_type' && issue.expected === 'object') return 'expected a table';
  if (issue.message.startsWith('expected ') || issue.code === 'custom') return issue.message;
  const isLeaf = setting !== undefined && dotted(issue.path) === setting.key && setting.type !== 'table';
  return isLeaf ? `expected ${setting.accepted}` : issue.message;
}

function refuseUnavailable(settings: Settings, origins: ReadonlyMap<string, Origin>): void {
  const asked = SETTINGS.filter(
    ({ key, unavailable }) => unavailable === true && valueOf(settings, key) === true,
  );
  if (asked.length === 0) return;
  const lines = asked.map(({ key }) => `${nameOf(key, origins)} = true: not available yet, set it to false`);
  throw new EdgeProxyError('ERR_FEATURE_UNAVAILABLE', lines.join('\n'));
}

function dotted(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index ? '.' : ''}${String(part)}`))
    .join('');
}

function isAtOrBelow(path: readonly PropertyKey[], key: string): boolean {
  const text = dotted(path);
  return text === key || text.startsWith(`${key}.`) || text.startsWith(`${key}[`);
}

/** Whether what stands at the path may hold the value of the key: the key itself, or a table around it. */
function holds(path: readonly PropertyKey[], key: string): boolean {
  return `${key}.`.startsWith(`${dotted(path)}.`);
}

/** Names that may follow a path in the file. */
function namesAt(path: readonly PropertyKey[]): readonly string[] {
  if (path[0] === 'backends') return STATIC_BACKEND_KEYS;
  const depth = path.length;
  const below = SETTINGS.filter(({ key }) => depth === 0 || key.startsWith(`${dotted(path)}.`));
  return [...new Set(below.map(({ key }) => key.split('.')[depth]!))];
}

function at(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (node, part) => (typeof node === 'object' && node !== null ? Reflect.get(node, part) : undefined),
    tree,
  );
}

function assign(tree: Tree, path: readonly string[], value: unknown): void {
  const [name, ...rest] = path;
  if (rest.length === 0) tree[name!] = value;
  else {
    const child = tree[name!];
    // A value where a table belongs stays, so that the schema names it.
    if (child !== undefined && (typeof child !== 'object' || child === null)) return;
    assign((tree[name!] ??= {}) as Tree, rest, value);
  }
}
