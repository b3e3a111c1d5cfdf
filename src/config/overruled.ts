import { isDeepStrictEqual } from 'node:util';
import { SETTINGS } from './catalogue.ts';
import { nameOf, type Origin } from './origin.ts';
import type { Settings } from './schema.ts';
import { shownValue } from './shown-value.ts';
import type { SqlSettings } from './sql-settings.ts';
import { at } from './tree.ts';

/** Every row of SQL whose value gives way to another one of the file or the environment: a line each. */
export function overruled(
  sql: SqlSettings,
  settings: Settings,
  origins: ReadonlyMap<string, Origin>,
): readonly string[] {
  return SETTINGS.flatMap((setting) => {
    const { key } = setting;
    const row = sql.get(key);
    if (row === undefined || origins.get(key)?.from === 'sql') return [];
    const value = at(settings, key.split('.'));
    if (isDeepStrictEqual(value, row.value)) return [];
    const place = nameOf(key, new Map([[key, row.origin]]));
    const given = shownValue(setting, row.value);
    return [`${place} = ${given} has no effect: ${nameOf(key, origins)} is ${shownValue(setting, value)}`];
  });
}
