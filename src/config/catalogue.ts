import { z } from 'zod';
import { settingsSchema } from './schema.ts';
import type { SettingMeta } from './setting-types.ts';

/** One setting, as a flat record made from the schema. */
export interface Setting extends SettingMeta {
  /** Dotted key of the TOML file, such as `postgres.url`. */
  readonly key: string;
  readonly type: 'boolean' | 'integer' | 'string' | 'list' | 'table';
  /** What is accepted, in words that follow "expected". */
  readonly accepted: string;
  /** `undefined` where the setting has none. */
  readonly standard: unknown;
}

interface JsonLeaf {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly items?: { readonly type?: string };
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodPrefault ? unwrap(schema.unwrap()) : schema;
}

function acceptedBy({ type, enum: values, minimum, maximum, items }: JsonLeaf): string {
  if (values !== undefined) return `one of ${values.join(', ')}`;
  if (type === 'integer') return `a whole number from ${minimum} to ${maximum}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'string') return 'text that is not empty';
  if (type !== 'array') return 'a table';
  return items?.type === 'string' ? 'a list such as ["ONE", "TWO"]' : 'a list';
}

function typeOf({ type, items }: JsonLeaf): Setting['type'] {
  if (type === 'array' && items?.type === 'string') return 'list';
  return type === 'boolean' || type === 'integer' || type === 'string' ? type : 'table';
}

function isSettingMeta(meta: object | undefined): meta is SettingMeta {
  return meta !== undefined && 'reload' in meta && 'description' in meta;
}

function settingsOf(schema: z.core.$ZodType, path: readonly string[]): readonly Setting[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([name, child]) => settingsOf(child, [...path, name]));
  }
  const leaf = z.toJSONSchema(inner, { io: 'input' }) as JsonLeaf;
  const meta = z.globalRegistry.get(inner);
  if (!isSettingMeta(meta)) throw new Error(`setting ${path.join('.')} lacks its reload flag or description`);
  const setting = {
    key: path.join('.'),
    type: typeOf(leaf),
    accepted: acceptedBy(leaf),
    standard: leaf.default,
  };
  return [{ ...meta, ...setting }];
}

/** Every setting, in the order of the schema. */
export const SETTINGS: readonly Setting[] = settingsOf(settingsSchema, []);

/** The JSON Schema (draft 2020-12) of the TOML file, with environment name, unit and reloadability of each key. */
export function settingsJsonSchema(): object {
  return z.toJSONSchema(settingsSchema, { io: 'input' });
}
