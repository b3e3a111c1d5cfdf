import { describe, expect, it } from 'vitest';
import { parsePattern } from '../../../src/adapters/inspect/pattern.ts';

const NAMES = ['lifecycle', 'subscription', 'backend:sa-1', 'backend:us-1', 'breaker:sa-1', 'checker:sa-1'];

describe('a pattern of names', () => {
  it.each([
    ['', NAMES],
    ['*', NAMES],
    ['breaker:*', ['breaker:sa-1']],
    ['*:sa-1', ['backend:sa-1', 'breaker:sa-1', 'checker:sa-1']],
    ['sa-1', ['backend:sa-1', 'breaker:sa-1', 'checker:sa-1']],
    ['lifecycle, backend:*', ['lifecycle', 'backend:sa-1', 'backend:us-1']],
    ['b*:*a*1', ['backend:sa-1', 'breaker:sa-1']],
    ['backend', ['backend:sa-1', 'backend:us-1']],
    ['backend*x', []],
    ['.*', []],
  ])('%j matches %j', (pattern, matches) => {
    expect(NAMES.filter(parsePattern(pattern))).toEqual(matches);
  });

  it('does not count one piece of a name twice', () => {
    expect(parsePattern('ab*ba')('aba')).toBe(false);
    expect(parsePattern('ab*ba')('abba')).toBe(true);
  });

  it('takes no long time over many stars', () => {
    expect(parsePattern(`${'a*'.repeat(90)}b`)('a'.repeat(10_000))).toBe(false);
  });
});
