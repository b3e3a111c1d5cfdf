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
} from './house-rules.ts';

type Broken = readonly [path: string, text: string, problem: RegExp];
type Kept = readonly [path: string, text: string];

const DOMAIN = 'src/domain/a.ts';
const DAEMON = 'src/daemon.ts';

function testRule(name: string, rule: HouseRule, broken: readonly Broken[], kept: readonly Kept[]): void {
  describe(`the rule ${name}`, () => {
    it.each(broken)('is broken by %s with %j', (path, text, problem) => {
      expect(rule({ path, text })).toEqual([expect.stringMatching(problem)]);
    });

    it.each(kept)('is kept by %s with %j', (path, text) => {
      expect(rule({ path, text })).toEqual([]);
    });
  });
}

testRule(
  'importLaw',
  importLaw,
  [
    [
      'src/config/load.ts',
      "import { run } from '../daemon.ts';",
      /config may import only config, domain, errors/,
    ],
    [DOMAIN, "import type { A } from '../config/load.ts';", /imports src\/config\/load\.ts/],
    [DOMAIN, "type A = import('../config/load.ts').A;", /imports src\/config\/load\.ts/],
    [DOMAIN, "import {\n  a, // 'b'\n  type C,\n} from '../config/load.ts';", /line 1: imports src\/config/],
    [DOMAIN, "const a = 'it''s';\nimport '../daemon.ts';", /line 2: imports src\/daemon/],
    [DOMAIN, "const a = /['`]/;\nexport { b } from '../daemon.ts';", /line 2: imports src\/daemon/],
    [DOMAIN, "const a = `${`}`}'`;\nexport * from '../daemon.ts';", /line 2: imports src\/daemon/],
    [DOMAIN, "const a = require('../daemon.ts');", /imports src\/daemon/],
    [DOMAIN, "import { a } from 'edgeproxy';", /by no relative path/],
    [DOMAIN, "import { a } from '#daemon';", /by no relative path/],
    [DOMAIN, "import { a } from '/work/daemon.ts';", /by no relative path/],
    ['src/errors.ts', "export { a } from './domain/geo.ts';", /errors may import only errors/],
    ['src/proxy/a.ts', "import type { B } from '../streams/b.ts';", /proxy may import only/],
    [DAEMON, "import './cli.ts';", /imports src\/cli\.ts/],
    [DAEMON, "import { a } from './demo/start.ts';", /imports src\/demo/],
    [DAEMON, "const { run } = await import('./commands/run.ts');", /imports src\/commands/],
    [DAEMON, "import { a } from '../test/support/until.ts';", /which belongs to no layer/],
    [DAEMON, 'await import(name);', /only known when it runs/],
    [DAEMON, 'await import(`./${name}.ts`);', /only known when it runs/],
    ['src/helpers/a.ts', '', /belongs to no layer/],
  ],
  [
    ['src/proxy/a.ts', "import type { B } from '../domain/backend.ts';"],
    [DOMAIN, "import { b } from './b.ts';"],
    [DOMAIN, "import { z } from 'zod';"],
    [DOMAIN, "// import { a } from '../daemon.ts';\n/* import('../cli.ts') */"],
    [DOMAIN, `const a = "import b from '../daemon.ts'";`],
    [DOMAIN, "const a = `import b from '../daemon.ts' ${c}`;"],
    [DOMAIN, 'const a = b / c; const d = "import(e) / f";'],
    [DAEMON, 'const here = import.meta.url;'],
    [DAEMON, "import { a } from './adapters/geo/a.ts';"],
    [DAEMON, "import { a } from './composition/a.ts';"],
    ['src/commands/run.ts', "import { a } from '../daemon.ts';"],
    ['src/demo/start.ts', "import { a } from '../daemon.ts';"],
  ],
);

testRule(
  'middleFoldersApart',
  middleFoldersApart,
  [
    ['src/proxy/a.ts', "import type { B } from '../streams/b.ts';", /proxy imports src\/streams\/b\.ts/],
    ['src/adapters/geo/a.ts', "import { b } from '../../machines/b.ts';", /adapters imports src\/machines/],
  ],
  [
    ['src/proxy/a.ts', "import { b } from './b.ts';"],
    [DAEMON, "import { b } from './proxy/b.ts';"],
  ],
);

testRule(
  'adaptersApart',
  adaptersApart,
  [
    ['src/adapters/http/a.ts', "import { b } from '../geo/b.ts';", /the adapter http imports/],
    ['src/adapters/http/a.ts', "import { b } from '../b.ts';", /the adapter http imports/],
  ],
  [
    ['src/adapters/http/a.ts', "import { b } from './b.ts';"],
    ['src/adapters/http/sub/a.ts', "import { b } from '../b.ts';"],
  ],
);

testRule(
  'domainImportsPure',
  domainImportsPure,
  [
    [DOMAIN, "import { isIP } from 'node:net';", /imports "node:net"/],
    [DOMAIN, "import type { Socket } from 'net';", /imports "net"/],
    [DOMAIN, "import { readFile } from 'fs/promises';", /imports "fs\/promises"/],
    [DOMAIN, "import { setup } from 'xstate';", /imports "xstate"/],
    [DOMAIN, "import { map } from 'rxjs/operators';", /imports "rxjs\/operators"/],
  ],
  [
    [DOMAIN, "import { z } from 'zod';"],
    ['src/proxy/a.ts', "import { connect } from 'node:net';"],
  ],
);

testRule(
  'domainDeterministic',
  domainDeterministic,
  [
    [DOMAIN, '\nconst at = Date.now();', /line 2: the domain uses Date\.now/],
    [DOMAIN, 'const at = new Date( );', /uses new Date/],
    [DOMAIN, 'const at = new Date;', /uses new Date/],
    [DOMAIN, 'const text = Date();', /uses Date/],
    [DOMAIN, 'const at = performance.now();', /uses performance/],
    [DOMAIN, 'const a = `x${Math.random()}`;', /uses Math\.random/],
    [DOMAIN, 'const f = (now = Date.now) => now();', /uses Date\.now/],
    [DOMAIN, 'setTimeout(f, 5);', /uses setTimeout/],
  ],
  [
    [DOMAIN, '/** Not Date.now() nor Math.random(). */'],
    [DOMAIN, "const a = 'Math.random()';"],
    [DOMAIN, 'const a = new Date(atMs);'],
    [DAEMON, 'const at = Date.now();'],
  ],
);

testRule(
  'shortFiles',
  shortFiles,
  [[DOMAIN, 'x;\n'.repeat(301), /301 lines/]],
  [[DOMAIN, 'x;\n'.repeat(300)]],
);

testRule(
  'namedExports',
  namedExports,
  [
    [DOMAIN, 'const a = 1;\nexport default a;', /line 2: a default export/],
    [DOMAIN, 'export { b, a as default };', /line 1/],
    [DOMAIN, "export { default } from './b.ts';", /line 1/],
    [DOMAIN, "export * as default from './b.ts';", /line 1/],
  ],
  [
    [DOMAIN, "export const a = 'export default b';"],
    [DOMAIN, "export { default as b } from './b.ts';"],
  ],
);

testRule(
  'kebabCaseNames',
  kebabCaseNames,
  [
    ['src/domain/tokenBucket.ts', '', /"tokenBucket\.ts"/],
    ['src/proxy/Relay.ts', '', /"Relay\.ts"/],
    ['src/proxy/relay.service.ts', '', /"relay\.service\.ts"/],
    ['src/adapters/embedded_postgres/a.ts', '', /"embedded_postgres"/],
  ],
  [['src/domain/ipv4-table.ts', '']],
);

testRule(
  'noBarrels',
  noBarrels,
  [
    ['src/domain/index.ts', 'export const a = 1;', /index\.ts/],
    [DOMAIN, "export * from './b.ts';\nexport const c = 1;", /everything of another file/],
    [DOMAIN, "export { b } from './b.ts';\nexport type { C } from './c.ts';", /only exports/],
    [DOMAIN, "import { b } from './b.ts';\nexport { b };", /only exports/],
  ],
  [
    ['src/index.ts', "export * from './domain/a.ts';"],
    [DOMAIN, "export { b } from './b.ts';\nexport const c = 1;"],
    [DOMAIN, 'const a = 1;\nexport { a };'],
  ],
);
