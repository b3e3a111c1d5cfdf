import type { z } from 'zod';
import { type Setting, SETTINGS } from './catalogue.ts';
import { hint } from './nearest-name.ts';
import { type Origin, sqlPlace } from './origin.ts';
import { LISTED_TABLE_KEYS, type Settings, settingsSchema } from './schema.ts';
import { lineOfKey, type SettingsFile } from './toml-file.ts';
import { at, dotted, type Tree } from './tree.ts';

/** Settings, or a line for each thing that keeps a tree from being some. */
export type ParsedTree =
  | { readonly settings: Settings; readonly problems: readonly [] }
  | { readonly settings: undefined; readonly problems: readonly string[] };

/**
 * Holds a tree to the schema. Every problem names the place, the key, the value and what is accepted; secrets are
 * masked.
 *
 * @param origins where the values of the tree come from, by setting key
 * @param file the file that those come from whose origin is not known to be another
 */
export function parseTree(
  tree: Tree,
  origins: ReadonlyMap<string, Origin>,
  file: SettingsFile | undefined,
): ParsedTree {
  const parsed = settingsSchema.safeParse(tree);
  if (parsed.success) return { settings: parsed.data, problems: [] };
  return { settings: undefined, problems: parsed.error.issues.flatMap(describe) };

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
    const setting = SETTINGS.find(({ key }) => isAtOrBelow(path, key));
    const origin = setting === undefined ? undefined : origins.get(setting.key);
    if (origin?.from === 'sql') return `${sqlPlace(origin)}: `;
    if (file === undefined) return '';
    const line = lineOfKey(file.content, path);
    return line === undefined ? `${file.path}: ` : `${file.path}:${line}: `;
  }
}

/** What is expected of a value: the words of the schema where it has some, else those of the setting's type. */
function expectation(issue: z.core.$ZodIssue, setting: Setting | undefined): string {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  if (issue.code === 'invalid_type' && ['object', 'record'].includes(issue.expected))
    return 'expected a table';
  if (issue.code === 'invalid_type' && issue.expected === 'array' && setting?.type === 'table') {
    return 'expected a list of tables';
  }
  if (issue.message.startsWith('expected ') || issue.code === 'custom') return issue.message;
  const isLeaf = setting !== undefined && dotted(issue.path) === setting.key && setting.type !== 'table';
  return isLeaf ? `expected ${setting.accepted}` : issue.message;
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
  const listed = LISTED_TABLE_KEYS[String(path[0])];
  if (listed !== undefined) return listed;
  const depth = path.length;
  const below = SETTINGS.filter(({ key }) => depth === 0 || key.startsWith(`${dotted(path)}.`));
  return [...new Set(below.map(({ key }) => key.split('.')[depth]!))];
}
