import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A Markdown file of the project. */
export interface Document {
  /** Relative to the root of the repository, such as `docs/errors.md`. */
  readonly path: string;
  readonly text: string;
}

export function readDocument(path: string): Document {
  return { path, text: readFileSync(join(ROOT, path), 'utf8') };
}

/** README, CONTRIBUTING and everything below docs/ and examples/. */
export function allDocuments(): readonly Document[] {
  const below = ['docs', 'examples'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name))),
  );
  return ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...below].map(readDocument);
}

/** The contents of the fenced blocks of a language, in order. */
export function codeBlocks({ text }: Document, language: string): readonly string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm');
  return [...text.matchAll(fence)].map(([, content]) => content!);
}

/** Whether a line is what stands between the head of a table and its rows. */
function isRule(line: string | undefined): boolean {
  return /^\|(?:\s*:?-+:?\s*\|)+$/.test(line ?? '');
}

/** The cells of every row of every table but the heads; a bar within a cell is not understood. */
export function tableRows({ text }: Document): readonly (readonly string[])[] {
  const lines = text.split('\n');
  return lines
    .filter((line, index) => line.startsWith('|') && !isRule(line) && !isRule(lines[index + 1]))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** The text of a cell that is one piece of code; `undefined` for every other cell. */
export function codeCell(cell: string | undefined): string | undefined {
  return /^`([^`]+)`$/.exec(cell ?? '')?.[1];
}

/** The targets of all links, those in code left out. */
export function linkTargets({ text }: Document): readonly string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
}

/** What `#…` may name in a document, as GitHub makes it from headings. */
export function anchors({ text }: Document): readonly string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '');
  return [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** Where a relative link leads: a path from the root, and the anchor if any. */
export function resolveLink({ path }: Document, target: string): { readonly path: string; anchor: string } {
  const [file = '', anchor = ''] = target.split('#');
  return { path: file === '' ? path : join(path, '..', file), anchor };
}

export function pathFromRoot(path: string): string {
  return join(ROOT, path);
}
