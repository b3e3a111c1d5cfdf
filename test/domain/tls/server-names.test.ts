import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isServerNamePattern, leadsOf, ServerNames } from '../../../src/domain/tls/server-names.ts';

describe('server names', () => {
  it('lead where the name itself does, else where the longest pattern above it does, else where all others do', () => {
    const names = new ServerNames({
      entries: [
        ['shop.example', 'exact'],
        ['*.example', 'example'],
        ['*.blog.example', 'blog'],
      ],
      otherwise: 'others',
    });
    expect(
      [
        'shop.example',
        'www.shop.example',
        'blog.example',
        'a.b.blog.example',
        'example',
        'x.test',
        undefined,
      ].map((name) => names.find(name)),
    ).toEqual(['exact', 'example', 'example', 'blog', 'others', 'others', 'others']);
    expect(new ServerNames({ entries: [], otherwise: undefined }).find('x.test')).toBeUndefined();
  });

  it('are found as by a look at every pattern', () => {
    const label = fc.constantFrom('a', 'b', 'c');
    const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
    const pattern = fc.tuple(fc.constantFrom('', '*.'), name).map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.uniqueArray(pattern), fc.option(name, { nil: undefined }), (patterns, asked) => {
        const table = { entries: patterns.map((one) => [one, one] as const), otherwise: 'others' };
        const fitting = patterns.filter((one) =>
          one.startsWith('*.') ? asked?.endsWith(one.slice(1)) : one === asked,
        );
        const rank = (one: string): number => (one.startsWith('*') ? one.length : Infinity);
        const best = fitting.toSorted((x, y) => rank(y) - rank(x))[0] ?? 'others';
        expect(new ServerNames(table).find(asked)).toBe(best);
        expect(leadsOf(table)).toEqual([...patterns, 'others']);
      }),
    );
  });

  it.each([
    ['shop.example', true],
    ['*.example', true],
    ['*.shop.example', true],
    ['localhost', true],
    ['_dmarc.example', true],
    ['Shop.example', false],
    ['*', false],
    ['*.', false],
    ['a.*.example', false],
    ['*shop.example', false],
    ['shop.example.', false],
    ['127.0.0.1', false],
    ['::1', false],
    ['', false],
    [`${'a'.repeat(64)}.example`, false],
    [`${'a.'.repeat(127)}example`, false],
  ])('may have the key %j: %s', (pattern, expected) => {
    expect(isServerNamePattern(pattern)).toBe(expected);
  });
});
