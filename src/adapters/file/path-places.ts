import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, parse, resolve, sep } from 'node:path';

/** A name in a folder. */
export interface PathPlace {
  /** Absolute, and without a symbolic link in it. */
  readonly folder: string;
  readonly name: string;
}

/** As many links as Linux follows in one path. */
const MAX_LINKS = 40;

/**
 * The places that decide which file a path means: its own name, and every symbolic link on the way to it.
 *
 * Where one of these names is given to something else, the path may mean another file: that is how Kubernetes swaps
 * the `..data` of a ConfigMap, and how a release is swapped by its `current`. Ends at the first name that is not
 * there, which is a place too. Rejects when a folder on the way may not be searched.
 */
export async function placesOf(path: string): Promise<readonly PathPlace[]> {
  const absolute = resolve(path);
  let folder = parse(absolute).root;
  let ahead = namesOf(absolute.slice(folder.length));
  const places: PathPlace[] = [];
  while (ahead.length > 0 && places.length <= MAX_LINKS) {
    const [name, ...rest] = ahead as [string, ...string[]];
    const here = join(folder, name);
    // oxlint-disable-next-line no-await-in-loop -- where a name leads decides what the next one means
    const target = name === '..' ? undefined : await linkTarget(here);
    if (target === null) return [...places, { folder, name }];
    if (target === undefined) {
      if (rest.length === 0) return [...places, { folder, name }];
      folder = name === '..' ? dirname(folder) : here;
      ahead = rest;
    } else {
      places.push({ folder, name });
      const { root } = parse(target);
      if (root !== '') folder = root;
      ahead = [...namesOf(target.slice(root.length)), ...rest];
    }
  }
  return places;
}

function namesOf(path: string): readonly string[] {
  return path.split(sep).filter((name) => name !== '' && name !== '.');
}

/** Where a link points; `undefined` for what is no link, `null` for what is not there. */
async function linkTarget(path: string): Promise<string | undefined | null> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return null;
    throw thrown;
  }
}
