import { describe, expect, it } from 'vitest';
import { licencesIn } from '../../scripts/licences.ts';

const lock = (packages: object): string => JSON.stringify({ lockfileVersion: 3, packages });

describe('the list of licences', () => {
  it('is of everything that is installed with the package, nested ones too, and of nothing else', () => {
    const packages = {
      '': { dependencies: { a: '1' }, optionalDependencies: { absent: '1' } },
      'node_modules/a': { version: '1.0.0', license: 'MIT', dependencies: { b: '2', '@s/c': '1' } },
      'node_modules/a/node_modules/b': { version: '2.0.0', license: 'ISC', dependencies: { '@s/c': '1' } },
      'node_modules/b': { version: '1.0.0', license: 'GPL-3.0', dev: true },
      'node_modules/@s/c': { version: '3.0.0', license: '0BSD' },
      'node_modules/tool': { version: '1.0.0', license: 'GPL-3.0' },
    };
    expect(licencesIn(lock(packages))).toEqual([
      { name: '@s/c', version: '3.0.0', licence: '0BSD' },
      { name: 'a', version: '1.0.0', licence: 'MIT' },
      { name: 'b', version: '2.0.0', licence: 'ISC' },
    ]);
  });

  it.each([
    ['GPL-3.0-only', 'a 1.0.0: GPL-3.0-only'],
    [undefined, 'a 1.0.0: none'],
    ['(MIT OR GPL-2.0)', 'a 1.0.0: (MIT OR GPL-2.0)'],
  ])('is not made with %s', (license, line) => {
    const packages = { '': { dependencies: { a: '1' } }, 'node_modules/a': { version: '1.0.0', license } };
    expect(() => licencesIn(lock(packages))).toThrow(line);
  });
});
