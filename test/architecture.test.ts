import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  adaptersApart,
  domainDeterministic,
  domainImportsPure,
  type HouseRule,
  importLaw,
  kebabCaseNames,
  middleFoldersApart,
  namedExports,
  noBarrels,
  shortFiles,
  type SourceFile,
} from './support/house-rules.ts';
import { importsOf } from './support/source-scan.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

function readSources(): readonly SourceFile[] {
  return readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: relative(ROOT, file).split(sep).join('/'), text: readFileSync(file, 'utf8') }));
}

const sources = readSources();

function violations(rule: HouseRule): readonly string[] {
  return sources.flatMap((file) => rule(file).map((problem) => `${file.path}: ${problem}`));
}

describe('every source file', () => {
  it('is read, so that the rules below are about something', () => {
    const paths = sources.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(['src/errors.ts', 'src/domain/backend.ts', 'src/adapters/geo/geo-resolver.ts']),
    );
    expect(sources.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThan(sources.length);
  });

  it.each<[string, HouseRule]>([
    [
      'imports only its own layer and those below: domain, errors <- config <- middle <- daemon, demo <- cli, index',
      importLaw,
    ],
    ['of machines, streams, proxy or adapters imports none of the other three', middleFoldersApart],
    ['of an adapter imports no sibling adapter', adaptersApart],
    ['of the domain imports no Node module, no xstate, no rxjs', domainImportsPure],
    ['of the domain reads no clock and draws no random number', domainDeterministic],
    ['has at most 300 lines', shortFiles],
    ['exports names, no default', namedExports],
    ['has a name in kebab-case', kebabCaseNames],
    ['but src/index.ts defines what it exports', noBarrels],
  ])('%s', (title, rule) => {
    expect(violations(rule), `rule broken: every source file ${title}`).toEqual([]);
  });
});
