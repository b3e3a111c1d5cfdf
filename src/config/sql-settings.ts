import { EdgeProxyError } from '../errors.ts';
import { SETTINGS } from './catalogue.ts';
import { hint } from './nearest-name.ts';
import { type SqlOrigin, sqlPlace } from './origin.ts';
import { parseTree } from './parse-tree.ts';
import { assign, type Tree } from './tree.ts';

/** A row of the table of settings, as it was read. `null` in both `region` and `node` is every daemon. */
export interface SqlSettingRow {
  readonly key: string;
  /** The value that the file would give in TOML, as JSON. */
  readonly value: unknown;
  readonly region: string | null;
  readonly node: string | null;
}

/** Which daemon reads: rows for others are none of its settings. Both in lower case. */
export interface SqlScope {
  readonly region: string;
  readonly node: string;
}

/** The settings that SQL gives one daemon, by key. */
export type SqlSettings = ReadonlyMap<string, { readonly value: unknown; readonly origin: SqlOrigin }>;

/** Settings that SQL may not give, and why. A key that ends with a dot stands for every key that starts so. */
export const NOT_IN_SQL: Readonly<Record<string, string>> = {
  region: 'it decides which rows count',
  node: 'it decides which rows count',
  state_dir: 'the last known rows are kept there',
  'postgres.': 'the database is reached by it',
  backends: 'the table backends has them',
};

/**
 * The settings that rows give a daemon: a row for its node over one for its region over one for everybody.
 *
 * Every row that concerns this daemon has to be right, also one that another one overrules: fails with
 * `ERR_SETTINGS_INVALID`, a line for each thing that is wrong, which names the row, its key and value, and what is
 * accepted.
 */
export function readSqlSettings(rows: readonly SqlSettingRow[], scope: SqlScope): SqlSettings {
  const settings = new Map<string, { readonly value: unknown; readonly origin: SqlOrigin }>();
  const problems: string[] = [];
  const taken = new Set<string>();
  for (const { row, origin } of rowsFor(rows, scope)) {
    const place = `${sqlPlace(origin)}: ${row.key}`;
    if (taken.has(place)) problems.push(`${place}: expected one row, another one says the same`);
    taken.add(place);
    problems.push(...problemsOf(row, origin));
    settings.set(row.key, { value: row.value, origin });
  }
  if (problems.length > 0) throw new EdgeProxyError('ERR_SETTINGS_INVALID', problems.join('\n'));
  return settings;
}

/** The rows that concern a daemon, those that overrule last. */
function rowsFor(rows: readonly SqlSettingRow[], { region, node }: SqlScope) {
  return rows
    .map((row) => ({ row, origin: originOf(row) }))
    .filter(({ origin }) => (origin.region ?? region) === region && (origin.node ?? node) === node)
    .toSorted((one, other) => rankOf(one.origin) - rankOf(other.origin));
}

function originOf({ region, node }: SqlSettingRow): SqlOrigin {
  return {
    from: 'sql',
    ...(region === null ? {} : { region: region.toLowerCase() }),
    ...(node === null ? {} : { node: node.toLowerCase() }),
  };
}

function rankOf({ region, node }: SqlOrigin): number {
  return node !== undefined ? 2 : region !== undefined ? 1 : 0;
}

function problemsOf({ key, value }: SqlSettingRow, origin: SqlOrigin): readonly string[] {
  const place = `${sqlPlace(origin)}: ${key}`;
  if (origin.region !== undefined && origin.node !== undefined) {
    return [`${place}: expected a region or a node, or none of them: a node is in one region only`];
  }
  const names = SETTINGS.map((setting) => setting.key);
  if (!names.includes(key)) return [`${place}: no such key${hint(key, names)}`];
  const reason = reasonAgainst(key);
  if (reason !== undefined) {
    return [`${place}: expected in the file or the environment, not in SQL: ${reason}`];
  }
  const tree: Tree = {};
  assign(tree, key.split('.'), value);
  return parseTree(tree, new Map([[key, origin]]), undefined).problems;
}

/** Why SQL may not give a setting; `undefined` where it may. */
export function reasonAgainst(key: string): string | undefined {
  const rule = Object.keys(NOT_IN_SQL).find(
    (name) => key === name || (name.endsWith('.') && key.startsWith(name)),
  );
  return rule === undefined ? undefined : NOT_IN_SQL[rule];
}
