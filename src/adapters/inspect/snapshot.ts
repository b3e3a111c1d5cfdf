import type { Json } from '../../domain/json.ts';
import { sanitize } from './sanitize.ts';

const SHOWN = ['status', 'value', 'context', 'output', 'error'] as const;

/** A snapshot as data: status, state, context, output, error; nothing of the machinery. */
export function describeSnapshot(snapshot: unknown): Json {
  if (typeof snapshot !== 'object' || snapshot === null) return {};
  const fields: Readonly<Record<string, unknown>> = { ...snapshot };
  const shown = SHOWN.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]] as const]));
  const clean = shown.map(([name, value]) => [name, sanitize(value) ?? null] as const);
  const tags = fields['tags'] instanceof Set ? sanitize(fields['tags']) : undefined;
  return { ...Object.fromEntries(clean), ...(tags === undefined ? {} : { tags }), children: {} };
}
