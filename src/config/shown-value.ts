import type { Setting } from './catalogue.ts';

/** What is printed instead of a secret. */
export const MASK = '***';

/** Characters of a table that is printed as it is. */
const SHORT_TABLE = 100;

/** A value for people: secrets masked, long tables counted. */
export function shownValue({ secret, type }: Setting, value: unknown): string {
  if (value === undefined) return '(none)';
  if (secret === true) return MASK;
  const text = printed(value);
  if (type !== 'table') return text;
  const size = Array.isArray(value) ? value.length : Object.keys(value as object).length;
  if (size > 0 && text.length <= SHORT_TABLE) return text;
  return `(${size} ${size === 1 ? 'entry' : 'entries'})`;
}

/** A value as text: words without quotes. */
export function printed(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
