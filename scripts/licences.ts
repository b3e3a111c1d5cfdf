/**
 * The packages that somebody installs who installs edgeproxy, with their licences, read from the lock file. A licence
 * that is not on the list here has to be looked at before it gets there: making the list fails.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** What may be used, changed and passed on with a notice, and asks nothing of the rest of a program. */
const ALLOWED: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'PostgreSQL',
  'Unlicense',
]);

const names = z.record(z.string(), z.string()).default({});

const lockSchema = z.object({
  lockfileVersion: z.literal(3),
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      license: z.string().optional(),
      dependencies: names,
      optionalDependencies: names,
      peerDependencies: names,
    }),
  ),
});

type Lock = z.output<typeof lockSchema>;

export interface Licensed {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
}

const FOLDER = 'node_modules/';

/** Where Node finds a package that is asked for from a folder; `undefined` for an optional one that nobody has. */
function resolve(packages: Lock['packages'], from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf(`/${FOLDER}`)))) {
    const path = `${folder === '' ? '' : `${folder}/`}${FOLDER}${name}`;
    if (Object.hasOwn(packages, path)) return path;
    if (folder === '') return undefined;
  }
}

/** Every package below the dependencies of the root, ordered by name. Throws for a licence that is not allowed. */
export function licencesIn(lockText: string): readonly Licensed[] {
  const { packages } = lockSchema.parse(JSON.parse(lockText));
  const paths = new Set<string>(['']);
  // A set is walked to its end, also where it has grown meanwhile.
  for (const path of paths) {
    const { dependencies, optionalDependencies, peerDependencies } = packages[path]!;
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const found = resolve(packages, path, name);
      if (found !== undefined) paths.add(found);
    }
  }
  const all = [...paths]
    .filter((path) => path !== '')
    .map((path) => ({
      name: path.slice(path.lastIndexOf(FOLDER) + FOLDER.length),
      version: packages[path]!.version ?? '',
      licence: packages[path]!.license ?? 'none',
    }))
    .toSorted((a, b) => (`${a.name} ${a.version}` < `${b.name} ${b.version}` ? -1 : 1));
  const refused = all.filter(({ licence }) => !ALLOWED.has(licence));
  if (refused.length === 0) return all;
  const lines = refused.map(({ name, version, licence }) => `${name} ${version}: ${licence}`);
  throw new Error(`licences that are not on the list in scripts/licences.ts: ${lines.join('; ')}`);
}

/** The list as a table. */
export function licencesMarkdown(): string {
  const lock = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
  const rows = licencesIn(lock).map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`);
  return ['| Package | Version | Licence |', '|---|---|---|', ...rows].join('\n');
}
