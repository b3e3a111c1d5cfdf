/** Whether a name is wanted. */
export type NameFilter = (name: string) => boolean;

function matchesGlob(name: string, parts: readonly string[]): boolean {
  const first = parts[0]!;
  const last = parts.at(-1)!;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const foundAt = name.indexOf(part, at);
    if (foundAt < 0) return false;
    at = foundAt + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

function termFilter(term: string): NameFilter {
  const parts = term.split('*');
  return parts.length === 1 ? (name) => name.includes(term) : (name) => matchesGlob(name, parts);
}

/**
 * Reads a pattern of actor names: terms separated by spaces or commas, one of which has to match.
 *
 * A term with `*` (any text) matches the whole name, as `breaker:*` does; one without is looked for anywhere in it.
 * The empty pattern matches every name.
 */
export function parsePattern(pattern: string): NameFilter {
  const terms = pattern.split(/[\s,]+/).filter((term) => term !== '');
  if (terms.length === 0) return () => true;
  const filters = terms.map(termFilter);
  return (name) => filters.some((isWanted) => isWanted(name));
}
