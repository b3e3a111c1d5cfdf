import type { Json } from '../../domain/json.ts';
import { messageOf } from '../../errors.ts';
import { looksSecret, MASK, maskText } from './secrets.ts';

const MAX_DEPTH = 8;
const MAX_ENTRIES = 64;
const MAX_TEXT = 500;
const MAX_SEARCHED = 8 * MAX_TEXT;
const MAX_VALUES = 1_500;

/** What may be the name of a header or a field. */
const NAME = /^[\w.:-]{1,64}$/;

/** Masked, then cut; what is far behind the cut is not even searched. */
function cleanText(text: string): string {
  const masked = maskText(text.slice(0, MAX_SEARCHED));
  return masked.length <= MAX_TEXT ? masked : `${masked.slice(0, MAX_TEXT)}… (${text.length} characters)`;
}

/** The name of what is no plain data and is not looked into. */
function nameOf(value: object): string {
  const named: unknown = Object.getPrototypeOf(value)?.constructor;
  return typeof named === 'function' && named.name !== '' ? named.name : 'object';
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

class Sanitizer {
  readonly #path: unknown[] = [];
  #valuesLeft = MAX_VALUES;

  value(value: unknown): Json | undefined {
    this.#valuesLeft -= 1;
    if (typeof value === 'string') return cleanText(value);
    if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
    if (typeof value === 'bigint') return String(value);
    if (typeof value === 'boolean' || value === null) return value;
    return typeof value === 'object' ? this.#object(value) : undefined;
  }

  #object(value: object): Json {
    if (value instanceof Error) return { name: value.name, message: cleanText(messageOf(value)) };
    if (value instanceof Date) return Number.isNaN(value.valueOf()) ? 'invalid date' : value.toISOString();
    if (ArrayBuffer.isView(value)) return `[${nameOf(value)} of ${value.byteLength} bytes]`;
    if (this.#path.includes(value)) return '[circular]';
    if (this.#path.length >= MAX_DEPTH) return '[deeper]';
    this.#path.push(value);
    const result = this.#container(value);
    this.#path.pop();
    return result;
  }

  #container(value: object): Json {
    if (Array.isArray(value)) return this.#list(value, value.length);
    if (value instanceof Set) return this.#list(value, value.size);
    if (value instanceof Map) return this.#entries(value, value.size);
    if (!isPlain(value)) return `[${nameOf(value)}]`;
    const fields = Object.entries(Object.getOwnPropertyDescriptors(value)).filter(
      ([, field]) => field.enumerable === true && field.get === undefined,
    );
    return this.#entries(
      fields.map(([key, field]): readonly [string, unknown] => [key, field.value]),
      fields.length,
    );
  }

  #list(values: Iterable<unknown>, size: number): Json {
    const list: Json[] = [];
    let isNamedSecret = false;
    for (const value of values) {
      if (this.#isFull(list.length)) {
        list.push(`… ${size - list.length} more`);
        break;
      }
      list.push(isNamedSecret ? MASK : (this.value(value) ?? null));
      // Headers come as pairs, or as names and values in turn.
      isNamedSecret = !isNamedSecret && typeof value === 'string' && NAME.test(value) && looksSecret(value);
    }
    return list;
  }

  #entries(entries: Iterable<readonly [unknown, unknown]>, size: number): Json {
    const result: Record<string, Json> = Object.create(null);
    let seen = 0;
    for (const [key, value] of entries) {
      if (this.#isFull(seen)) {
        result['…'] = `${size - seen} more`;
        break;
      }
      seen += 1;
      const name = typeof key === 'object' && key !== null ? `[${nameOf(key)}]` : String(key);
      const clean = looksSecret(name) && value !== undefined ? MASK : this.value(value);
      if (clean !== undefined) result[cleanText(name)] = clean;
    }
    return result;
  }

  #isFull(entries: number): boolean {
    return entries >= MAX_ENTRIES || this.#valuesLeft <= 0;
  }
}

/**
 * A copy that may be shown: functions dropped, depth, length and number of values bounded, secrets masked by key and
 * within text. Getters are not run, and objects of a class are named instead of looked into. Never throws on plain
 * data; `undefined` for what is no data at all.
 */
export function sanitize(value: unknown): Json | undefined {
  return new Sanitizer().value(value);
}
