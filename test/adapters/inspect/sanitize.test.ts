import { anything, assert, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sanitize } from '../../../src/adapters/inspect/sanitize.ts';
import { looksSecret, maskText } from '../../../src/adapters/inspect/secrets.ts';

class Socket {
  readonly password = 'hunter2';
}

describe('what leaves the process', () => {
  it.each([
    [
      { a: 1, b: 'x', c: null, d: true },
      { a: 1, b: 'x', c: null, d: true },
    ],
    [{ run: () => 1, mark: Symbol('m'), none: undefined, kept: 0 }, { kept: 0 }],
    [
      [1, undefined, () => 2],
      [1, null, null],
    ],
    [Number.NaN, 'NaN'],
    [12n, '12'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [
      new Map<unknown, unknown>([
        ['x', 1],
        [7, 2],
      ]),
      { x: 1, 7: 2 },
    ],
    [new Set([1, 2]), [1, 2]],
    [new Uint8Array(12), '[Uint8Array of 12 bytes]'],
    [{ socket: new Socket() }, { socket: '[Socket]' }],
    [new TypeError('no'), { name: 'TypeError', message: 'no' }],
  ])('is plain data: %o', (value, clean) => {
    expect(sanitize(value)).toEqual(clean);
  });

  it('runs no getter', () => {
    let isRun = false;
    const value = {
      get danger() {
        isRun = true;
        return 1;
      },
      safe: 2,
    };
    expect(sanitize(value)).toEqual({ safe: 2 });
    expect(isRun).toBe(false);
  });

  it('ends at circles, at depth, at length and at size', () => {
    const circle: Record<string, unknown> = { name: 'a' };
    circle['self'] = circle;
    expect(sanitize(circle)).toEqual({ name: 'a', self: '[circular]' });
    let deep: unknown = 'bottom';
    for (let depth = 0; depth < 20; depth += 1) deep = { deep };
    expect(JSON.stringify(sanitize(deep))).toContain('[deeper]');
    expect(sanitize('x'.repeat(9_000))).toMatch(/^x{500}… \(9000 characters\)$/);
    expect(sanitize(Array.from({ length: 5_000 }, () => 0))).toHaveLength(65);
    const wide = Array.from({ length: 60 }, () => Array.from({ length: 60 }, () => 'text'));
    expect(JSON.stringify(sanitize(wide)).length).toBeLessThan(20_000);
  });

  it.each([
    'password',
    'dbPassword',
    'API_TOKEN',
    'client-secret',
    'Authorization',
    'privateKey',
    'key',
    'pem',
    'auth',
  ])('masks whatever stands under %s', (key) => {
    expect(sanitize({ deep: [{ [key]: { value: 'hunter2' } }] })).toEqual({ deep: [{ [key]: '***' }] });
    expect(sanitize(new Map([[key, 'hunter2']]))).toEqual({ [key]: '***' });
  });

  it.each(['host', 'port', 'failures', 'keepAlive', 'author', 'passes', 'monkey', 'epoch'])(
    'shows %s',
    (key) => {
      expect(looksSecret(key)).toBe(false);
    },
  );

  it.each([
    ['connect to postgres://user:hunter2@db:5432/x failed', 'connect to postgres://***@db:5432/x failed'],
    ['postgres://user:hun/ter2@db', 'postgres://***@db'],
    ['Authorization: Bearer hunter2', 'Authorization: Bearer ***'],
    ['host=db password=hunter2 user=x', 'host=db password=*** user=x'],
    ['/callback?access_token=hunter2&x=1', '/callback?access_token=***&x=***'],
    ['postgres://u:hun ter2@h', 'postgres://***@h'],
    ['postgres://u:hun@ter 2@h', 'postgres://***@h'],
    ['answered {"password":"hunter2"} to that', 'answered {"password":***} to that'],
    [String.raw`"{\"password\":\"hunter2\",\"a\":1}"`, String.raw`"{\"password\":***,\"a\":1}"`],
    [String.raw`{"password":"hun\"ter2"}`, '{"password":***}'],
    ["password='hunter2'", 'password=***'],
    ["password='hun ter2', user=x", 'password=***, user=x'],
    ['tokens: ["hunter2"]', 'tokens: [***]'],
    ['Authorization: Basic aHVudGVyMg==', 'Authorization: Basic ***'],
    ['{"authorization":"Basic aHVudGVyMg==","a":1}', '{"authorization":***,"a":1}'],
    ['sent Basic aHVudGVyMg== to it', 'sent Basic *** to it'],
    ['passphrase=hunter2 x', 'passphrase=*** x'],
    ['cookie: sid=hunter2; other=hunter2', 'cookie: ***'],
    ['x-api-key: hunter2', 'x-api-key: ***'],
    ['{"key":"hunter2"}', '{"key":***}'],
    ['/health?key=hunter2', '/health?key=***'],
    ['GET /health?auth=hunter2&sig=hunter2 failed', 'GET /health?auth=***&sig=*** failed'],
    ['duplicate key: web-1', 'duplicate key: web-1'],
    ['basic authentication', 'basic authentication'],
    ['http://127.0.0.1:8080/health', 'http://127.0.0.1:8080/health'],
  ])('masks secrets within text: %s', (text, masked) => {
    expect(maskText(text)).toBe(masked);
    expect(sanitize({ error: new Error(text) })).toMatchObject({ error: { message: masked } });
  });

  it('masks values of header pairs, and of names and values in turn', () => {
    expect(sanitize(['x-api-key', 'hunter2'])).toEqual(['x-api-key', '***']);
    expect(
      sanitize([
        ['x-api-key', 'hunter2'],
        ['host', 'db'],
      ]),
    ).toEqual([
      ['x-api-key', '***'],
      ['host', 'db'],
    ]);
    expect(sanitize(['Host', 'db', 'Cookie', 'sid=hunter2', 'Accept', '*'])).toEqual([
      'Host',
      'db',
      'Cookie',
      '***',
      'Accept',
      '*',
    ]);
  });

  it('is JSON that is small, whatever goes in', () => {
    assert(
      property(
        anything({ withMap: true, withSet: true, withBigInt: true, withDate: true, maxDepth: 6 }),
        (value) => {
          const clean = sanitize(value);
          if (clean === undefined) return;
          const text = JSON.stringify(clean);
          expect(JSON.stringify(JSON.parse(text))).toBe(text);
          expect(text.length).toBeLessThan(1_000_000);
        },
      ),
      { numRuns: 300 },
    );
  });
});
