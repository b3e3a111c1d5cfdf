import type { Settings } from './schema.ts';

/** Dotted keys of all values below a table; a list, and a table of free keys, is one value. */
type KeysOf<Table> = {
  [Name in keyof Table & string]: Table[Name] extends readonly unknown[] | undefined
    ? Name
    : Table[Name] extends object
      ? string extends keyof Table[Name]
        ? Name
        : `${Name}.${KeysOf<Table[Name]>}`
      : Name;
}[keyof Table & string];

/** Key of a setting, such as `rate_limit.burst`. */
export type SettingKey = KeysOf<Settings>;
