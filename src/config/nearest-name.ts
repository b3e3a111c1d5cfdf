import { closest, distance } from 'fastest-levenshtein';

/** The beginning of a name that says enough to suggest the rest. */
const ENOUGH = 5;

/** Up to so many names are listed where none is like the one that was given. */
const MOST_LISTED = 12;

const plain = (name: string): string => name.toLowerCase().replaceAll(/[._-]/g, '');

/** The known name most like `name`, or the shortest that goes on where it ends, when one is like enough to be meant. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const alike = known.find((one) => plain(one) === plain(name));
  if (alike !== undefined) return alike;
  const nearest = closest(name, known);
  if (distance(name, nearest) <= 2) return nearest;
  const longer = known.filter((one) => name.length >= ENOUGH && one.startsWith(name));
  if (longer.length > 0) return longer.reduce((best, one) => (one.length < best.length ? one : best));
  return distance(name, nearest) <= name.length / 3 ? nearest : undefined;
}

/** What follows the complaint about an unknown name: the one that may be meant, or those there are. */
export function hint(name: string, near: readonly string[], all: readonly string[] = []): string {
  const nearest = nearestName(name, near);
  if (nearest !== undefined) return `, did you mean ${nearest}?`;
  return all.length > 0 && all.length <= MOST_LISTED ? `, expected one of ${all.join(', ')}` : '';
}
