import { isIP } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Backend,
  endpointOf,
  incarnationOf,
  parseBackendRows,
  sameBackend,
  sameBackends,
} from '../../src/domain/backend.ts';

const ROW = { id: 'br-1', app: 'web', region: 'sa', country: 'BR', wg_ip: '10.0.0.1', port: 8080 };

const goodRow = fc.record(
  {
    id: fc.constantFrom('a', 'b', 'c', 'd', 'é', 'Z', '10', '9'),
    app: fc.string({ minLength: 1 }),
    region: fc.constantFrom('sa', 'US', 'eu'),
    country: fc.constantFrom('BR', 'us'),
    wg_ip: fc.oneof(fc.ipV4(), fc.ipV6()),
    port: fc.integer({ min: 1, max: 65_535 }),
    healthy: fc.constantFrom(0, 1, true, false),
    weight: fc.nat(),
    soft_limit: fc.nat(),
    hard_limit: fc.nat(),
    deleted: fc.constantFrom(0, 1),
  },
  { requiredKeys: ['id', 'app', 'region', 'country', 'wg_ip', 'port'] },
);
const anyValue = fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true });
const almostRow = fc
  .tuple(
    goodRow,
    fc.dictionary(fc.constantFrom(...Object.keys(ROW), 'weight', 'healthy', 'deleted'), anyValue),
  )
  .map(([row, spoilt]) => ({ ...row, ...spoilt }));

function backendOf(row: object): Backend {
  const { backends, skipped } = parseBackendRows([row]);
  expect(skipped).toEqual([]);
  return backends[0]!;
}

function problemsOf(row: unknown): readonly string[] {
  const { backends, skipped } = parseBackendRows([row]);
  expect(backends).toEqual([]);
  return skipped[0]!.problems;
}

describe('parseBackendRows', () => {
  it('reads a row of the table, with the defaults of its columns', () => {
    expect(backendOf(ROW)).toEqual({
      id: 'br-1',
      app: 'web',
      region: 'sa',
      country: 'BR',
      host: '10.0.0.1',
      port: 8080,
      adminUp: true,
      weight: 1,
      softLimit: 100,
      hardLimit: 150,
      deleted: false,
    });
  });

  it.each([
    [0, false],
    [1, true],
    [false, false],
    [true, true],
  ])('reads the flag %j as %j', (flag, expected) => {
    expect(backendOf({ ...ROW, healthy: flag, deleted: flag })).toMatchObject({
      adminUp: expected,
      deleted: expected,
    });
  });

  it('writes region, country and address in one way', () => {
    const row = { ...ROW, region: 'SA', country: 'br', wg_ip: '2001:DB8:0::1' };
    expect(backendOf(row)).toMatchObject({ region: 'sa', country: 'BR', host: '2001:db8::1' });
    expect(backendOf({ ...ROW, wg_ip: '::ffff:10.0.0.1' }).host).toBe('10.0.0.1');
  });

  it('ignores columns that are not its own', () => {
    expect(backendOf({ ...ROW, created_at: new Date(0), note: 'x' })).toEqual(backendOf(ROW));
  });

  it.each([
    [{ port: 70_000 }, 'port = 70000: expected a port, 1 to 65535'],
    [{ port: 0 }, 'port = 0: expected a port, 1 to 65535'],
    [{ port: '80' }, 'port = "80": expected a port, 1 to 65535'],
    [{ port: Number.NaN }, 'port = NaN: expected a port, 1 to 65535'],
    [{ wg_ip: 'db.local' }, 'wg_ip = "db.local": expected an IPv4 or IPv6 address, not a name'],
    [{ wg_ip: '10.0.0.0/8' }, 'wg_ip = "10.0.0.0/8": expected an IPv4 or IPv6 address, not a name'],
    [{ wg_ip: undefined }, 'wg_ip = nothing: expected an IPv4 or IPv6 address, not a name'],
    [{ weight: -1 }, 'weight = -1: expected a weight, a whole number from 0 to 2147483647'],
    [{ weight: 1.5 }, 'weight = 1.5: expected a weight, a whole number from 0 to 2147483647'],
    [
      { soft_limit: null },
      'soft_limit = null: expected a number of connections, a whole number from 0 to 2147483647',
    ],
    [{ proxy_protocol: 'V1' }, 'proxy_protocol = "V1": expected off, v1 or v2'],
    [{ healthy: 2 }, 'healthy = 2: expected 0 or 1'],
    [{ healthy: 'yes' }, 'healthy = "yes": expected 0 or 1'],
    [{ country: 'BRA' }, 'country = "BRA": expected a country code of two letters (ISO 3166-1) such as BR'],
    [{ region: '' }, 'region = "": expected a region code such as sa, us, eu or ap'],
    [{ app: 7 }, 'app = 7: expected a name'],
    [{ app: ['web'] }, 'app = a list: expected a name'],
    [{ app: { name: 'web' } }, 'app = a structure: expected a name'],
    [{ id: '' }, 'id = "": expected a name'],
  ])('skips a row with %j and says why', (fields, problem) => {
    expect(problemsOf({ ...ROW, ...fields })).toEqual([problem]);
  });

  it('shows values that JSON cannot', () => {
    const looped: Record<string, unknown> = { ...ROW };
    looped['port'] = looped;
    expect(problemsOf(looped)).toEqual(['port = a structure: expected a port, 1 to 65535']);
    expect(problemsOf({ ...ROW, port: 80n })).toEqual(['port = 80: expected a port, 1 to 65535']);
  });

  it('names every problem of a row, and applies the other rows', () => {
    const { backends, skipped } = parseBackendRows([
      { ...ROW, port: 0, weight: -1 },
      { ...ROW, id: 'br-2' },
    ]);
    expect(backends.map(({ id }) => id)).toEqual(['br-2']);
    expect(skipped).toEqual([
      { id: 'br-1', problems: [expect.stringMatching(/^port = 0/), expect.stringMatching(/^weight = -1/)] },
    ]);
  });

  it.each([null, undefined, 'a row', 7, [], Symbol('row')])(
    'skips %s, which is no row, by its place',
    (row) => {
      const { skipped } = parseBackendRows([ROW, row]);
      expect(skipped).toEqual([
        { id: 'row 2', problems: [expect.stringMatching(/^row = .*: expected a table/)] },
      ]);
    },
  );

  it('keeps the message short when a value is long', () => {
    const id = 'x'.repeat(1_000_000);
    const { skipped } = parseBackendRows([{ ...ROW, id, wg_ip: id }]);
    expect(JSON.stringify(skipped).length).toBeLessThan(500);
  });

  it('keeps the first of two rows with one id and names the other', () => {
    const { backends, skipped } = parseBackendRows([ROW, { ...ROW, port: 9090 }]);
    expect(backends.map(({ port }) => port)).toEqual([8080]);
    expect(skipped).toEqual([{ id: 'br-1', problems: ['id = "br-1": used by an earlier row too'] }]);
  });

  it('never throws, and loses no row, whatever it is given', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(goodRow, almostRow, anyValue)), (rows) => {
        const { backends, skipped } = parseBackendRows(rows);
        expect(backends.length + skipped.length).toBe(rows.length);
        for (const { id, problems } of skipped) {
          expect(id).not.toBe('');
          expect(problems).not.toEqual([]);
        }
      }),
    );
  });

  it('yields only backends that can be connected to', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(goodRow, almostRow)), (rows) => {
        for (const { host, port, weight, softLimit, hardLimit } of parseBackendRows(rows).backends) {
          expect(isIP(host)).not.toBe(0);
          expect(port).toSatisfy((value: number) => Number.isInteger(value) && value > 0 && value < 65_536);
          expect(Math.min(weight, softLimit, hardLimit)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  it('gives the same backends for the same rows in any order', () => {
    const rows = fc.uniqueArray(goodRow, { selector: ({ id }) => id });
    const twoOrders = rows.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(
      fc.property(twoOrders, ([one, other]) => {
        const { backends } = parseBackendRows(one);
        expect(parseBackendRows(other).backends).toEqual(backends);
        expect(sameBackends(backends, parseBackendRows(other).backends)).toBe(true);
        expect(backends).toHaveLength(one.length);
      }),
    );
  });
});

describe('endpointOf and incarnationOf', () => {
  it('puts an IPv6 host into brackets', () => {
    expect(endpointOf({ host: '10.0.0.1', port: 80 })).toBe('10.0.0.1:80');
    expect(endpointOf({ host: '2001:db8::1', port: 80 })).toBe('[2001:db8::1]:80');
  });

  it('takes the same id at a new address for another backend, and at a new spelling for the same', () => {
    const first = incarnationOf(backendOf({ ...ROW, wg_ip: '2001:db8::1' }));
    expect(incarnationOf(backendOf({ ...ROW, wg_ip: '2001:DB8::0:1', weight: 5 }))).toBe(first);
    expect(incarnationOf(backendOf({ ...ROW, wg_ip: '2001:db8::2' }))).not.toBe(first);
    expect(incarnationOf(backendOf({ ...ROW, wg_ip: '2001:db8::1', port: 81 }))).not.toBe(first);
  });
});

describe('sameBackend and sameBackends', () => {
  const other: Backend = {
    id: 'br-2',
    app: 'api',
    region: 'us',
    country: 'US',
    host: '10.0.0.2',
    port: 81,
    adminUp: false,
    weight: 2,
    softLimit: 1,
    proxyProtocol: 'v2',
    hardLimit: 2,
    deleted: true,
  };

  it.each(Object.entries(other))('sees a change of %s', (field, value) => {
    const backend = backendOf(ROW);
    expect(sameBackend(backend, { ...backend, [field]: value })).toBe(false);
    expect(sameBackend(backend, { ...backend })).toBe(true);
  });

  it('sees a backend that came or went', () => {
    const backend = backendOf(ROW);
    expect(sameBackends([backend], [])).toBe(false);
    expect(sameBackends([], [backend])).toBe(false);
    expect(sameBackends([], [])).toBe(true);
  });
});
