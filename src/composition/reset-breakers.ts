import type { BackendFamily } from './backend-family.ts';

/**
 * Closes circuits by hand: of a backend, or of all that take part. Returns the ids of those that were not closed, in
 * order; `unknown` for an id that nobody has, `off` where there are no breakers.
 */
export function resetBreakers(
  families: ReadonlyMap<string, BackendFamily>,
  id?: string,
): readonly string[] | 'unknown' | 'off' {
  const all = [...families.values()].filter(({ isDraining }) => !isDraining);
  const wanted = id === undefined ? all : all.filter(({ backend }) => backend.id === id);
  if (id !== undefined && wanted.length === 0) return 'unknown';
  if (wanted.length > 0 && wanted.every(({ breaker }) => breaker === undefined)) return 'off';
  const open = wanted.filter(({ circuitState }) => circuitState !== undefined && circuitState !== 'closed');
  for (const { breaker } of open) breaker?.send({ type: 'RESET' });
  return open.map(({ backend }) => backend.id).toSorted();
}
