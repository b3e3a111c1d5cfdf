import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import { codeOf, importsOf } from './source-scan.ts';

export interface SourceFile {
  /** Relative to the root of the repository, such as `src/domain/backend.ts`. */
  readonly path: string;
  readonly text: string;
}

/** What is wrong with a file by one rule; nothing when it keeps the rule. */
export type HouseRule = (file: SourceFile) => readonly string[];

const MIDDLE = ['machines', 'streams', 'proxy', 'adapters'] as const;
const BASE = ['domain', 'errors', 'config'] as const;

type Layer = (typeof BASE)[number] | (typeof MIDDLE)[number] | 'daemon' | 'demo' | 'cli' | 'index';

/** Whom a layer may import, beside itself: domain, errors <- config <- the middle <- daemon, demo <- cli, index. */
const MAY_IMPORT: Readonly<Record<Layer, readonly Layer[]>> = {
  domain: ['errors'],
  errors: [],
  config: ['domain', 'errors'],
  machines: BASE,
  streams: BASE,
  proxy: BASE,
  adapters: BASE,
  daemon: [...BASE, ...MIDDLE],
  demo: [...BASE, ...MIDDLE, 'daemon'],
  cli: [...BASE, ...MIDDLE, 'daemon', 'demo'],
  index: [...BASE, ...MIDDLE, 'daemon'],
};

/** Folders that belong to a layer of another name: parts of the composition root, and one file a subcommand. */
const ALIASES: Readonly<Record<string, Layer>> = { composition: 'daemon', commands: 'cli' };

function layerOf(path: string): Layer | undefined {
  const [root, first = ''] = path.split('/');
  if (root !== 'src') return undefined;
  const name = first.replace(/\.ts$/, '');
  const layers = Object.keys(MAY_IMPORT) as Layer[];
  return ALIASES[name] ?? layers.find((layer) => layer === name);
}

interface ImportedFile {
  readonly line: number;
  readonly target: string;
}

function importedFiles({ path, text }: SourceFile): readonly ImportedFile[] {
  return importsOf(text).flatMap(({ line, specifier }) =>
    specifier?.startsWith('.') === true ? [{ line, target: posix.join(posix.dirname(path), specifier) }] : [],
  );
}

/** Each layer imports only the layers below it, and only by a relative path that can be read. */
export const importLaw: HouseRule = (file) => {
  const layer = layerOf(file.path);
  if (layer === undefined) return ['belongs to no layer'];
  const hidden = importsOf(file.text).flatMap(({ line, specifier }) => {
    if (specifier === undefined) return [`line ${line}: imports what is only known when it runs`];
    const ownName = specifier.startsWith('#') || /^edgeproxy(\/|$)/.test(specifier);
    return ownName || specifier.startsWith('/')
      ? [`line ${line}: imports "${specifier}" by no relative path`]
      : [];
  });
  const wrong = importedFiles(file).flatMap(({ line, target }) => {
    const targetLayer = layerOf(target);
    if (targetLayer === undefined) return [`line ${line}: imports ${target}, which belongs to no layer`];
    if (targetLayer === layer || MAY_IMPORT[layer].includes(targetLayer)) return [];
    const allowed = [layer, ...MAY_IMPORT[layer]].join(', ');
    return [`line ${line}: imports ${target}, but ${layer} may import only ${allowed}`];
  });
  return [...hidden, ...wrong];
};

function isMiddle(layer: Layer | undefined): boolean {
  return MIDDLE.some((middle) => middle === layer);
}

/** machines, streams, proxy and adapters know each other only by interfaces in the domain. */
export const middleFoldersApart: HouseRule = (file) => {
  const layer = layerOf(file.path);
  if (!isMiddle(layer)) return [];
  return importedFiles(file)
    .filter(({ target }) => layerOf(target) !== layer && isMiddle(layerOf(target)))
    .map(({ line, target }) => `line ${line}: ${layer} imports ${target}: put an interface into src/domain`);
};

function adapterOf(path: string): string | undefined {
  return /^src\/adapters\/([^/]+)/.exec(path)?.[1];
}

/** A folder below adapters/ does not know the one beside it. */
export const adaptersApart: HouseRule = (file) => {
  const own = adapterOf(file.path);
  if (own === undefined) return [];
  return importedFiles(file)
    .filter(({ target }) => adapterOf(target) !== undefined && adapterOf(target) !== own)
    .map(({ line, target }) => `line ${line}: the adapter ${own} imports its sibling ${target}`);
};

const IMPURE_PACKAGES: ReadonlySet<string> = new Set(['xstate', 'rxjs', ...builtinModules]);

/** The domain imports neither Node nor the machinery of statecharts and streams. */
export const domainImportsPure: HouseRule = ({ path, text }) => {
  if (layerOf(path) !== 'domain') return [];
  return importsOf(text).flatMap(({ line, specifier = '' }) => {
    const impure = specifier.startsWith('node:') || IMPURE_PACKAGES.has(specifier.split('/')[0]!);
    return impure ? [`line ${line}: the domain imports "${specifier}"`] : [];
  });
};

const WORLD =
  /\bDate\.now\b|\bnew\s+Date\s*(?:\(\s*\)|(?!\s*\())|(?<!new\s)\bDate\s*\(|\bperformance\b|\bMath\.random\b|\bprocess\b|\bcrypto\b|\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/g;

/** The domain reads no clock and draws no random number: both are parameters. */
export const domainDeterministic: HouseRule = ({ path, text }) => {
  if (layerOf(path) !== 'domain') return [];
  const code = codeOf(text);
  return [...code.matchAll(WORLD)].map(({ 0: word, index }) => {
    return `line ${code.slice(0, index).split('\n').length}: the domain uses ${word.trim()}: make it a parameter`;
  });
};

const LONGEST_FILE = 300;

/** A file stays short enough to be read at once. */
export const shortFiles: HouseRule = ({ text }) => {
  const lines = text.replace(/\n$/, '').split('\n').length;
  return lines > LONGEST_FILE ? [`has ${lines} lines: at most ${LONGEST_FILE}`] : [];
};

/** Everything exported has a name. */
export const namedExports: HouseRule = ({ text }) => {
  const code = codeOf(text);
  const found =
    /\bexport\s+default\b|\bexport\s*\{[^}]*\bdefault\b(?!\s+as\b)|\bexport\s*\*\s*as\s+default\b/.exec(code);
  return found === null ? [] : [`line ${code.slice(0, found.index).split('\n').length}: a default export`];
};

/** Folders and files are named in kebab-case. */
export const kebabCaseNames: HouseRule = ({ path }) => {
  const folders = path.split('/');
  const name = folders.pop() ?? '';
  const kebab = '[a-z0-9]+(?:-[a-z0-9]+)*';
  const wrong = folders.filter((folder) => !new RegExp(`^${kebab}$`).test(folder));
  if (!new RegExp(`^${kebab}\\.[a-z]+$`).test(name)) wrong.push(name);
  return wrong.map((part) => `"${part}" is not in kebab-case`);
};

/** Only src/index.ts gathers the exports of other files. */
export const noBarrels: HouseRule = ({ path, text }) => {
  if (path === 'src/index.ts') return [];
  if (posix.basename(path) === 'index.ts') return ['is an index.ts, which only src/ may have'];
  const code = codeOf(text);
  if (/\bexport\s*(?:type\s*)?\*/.test(code)) return ['exports everything of another file'];
  const own = code.replaceAll(/\b(?:import|export)\b[\s\w$*{},]*?\bfrom\s*(["'])\s*\1;?/g, '');
  const gathers = /\bexport\b[\s\w$*{},]*?\bfrom\b/.test(code) || /^\s*export\s*(?:type\s*)?\{/.test(own);
  const hasOwnCode = own.replaceAll(/\bexport\s*(?:type\s*)?\{[^}]*\};?/g, '').trim() !== '';
  return gathers && !hasOwnCode ? ['only exports what other files define'] : [];
};
