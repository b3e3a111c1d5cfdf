import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ParsedRegistration,
  parseRegistration,
  silenceOf,
  Watch,
} from '../../src/domain/registration.ts';

const BODY = { id: 'web-1', app: 'web', region: 'eu', ip: '10.50.1.1', port: 8080 };

const problemOf = (parsed: ParsedRegistration): string => (parsed.ok ? 'accepted' : parsed.problem);

describe('the body of a registration', () => {
  it('has the defaults of the original', () => {
    expect(parseRegistration(BODY)).toEqual({
      ok: true,
      backend: {
        id: 'web-1',
        app: 'web',
        region: 'eu',
        country: 'DE',
        host: '10.50.1.1',
        port: 8080,
        adminUp: true,
        weight: 2,
        softLimit: 100,
        hardLimit: 150,
        deleted: false,
      },
    });
  });

  it('may give everything, null for no country, in any case and spelling', () => {
    const more = { country: 'fr', weight: 0, soft_limit: 7, hard_limit: 0 };
    const body = { ...BODY, ...more, region: 'EU', ip: '2001:DB8:0::1' };
    expect(parseRegistration(body)).toMatchObject({
      ok: true,
      backend: { country: 'FR', region: 'eu', host: '2001:db8::1', weight: 0, softLimit: 7, hardLimit: 0 },
    });
    expect(parseRegistration({ ...BODY, country: null })).toMatchObject({ backend: { country: 'DE' } });
  });

  it.each([
    ['sa', 'BR'],
    ['us', 'US'],
    ['eu', 'DE'],
    ['ap', 'JP'],
  ])('of the region %s without a country is in %s', (region, country) => {
    expect(parseRegistration({ ...BODY, region })).toMatchObject({ backend: { country } });
  });

  it('of another region has to say its country', () => {
    expect(problemOf(parseRegistration({ ...BODY, region: 'toString' }))).toBe(
      'country = nothing: expected a country code of two letters (ISO 3166-1), because the region "tostring" stands for none',
    );
    expect(parseRegistration({ ...BODY, region: 'mars', country: 'BR' })).toMatchObject({ ok: true });
  });

  it.each<[object, string]>([
    [{ id: '' }, 'id = "": expected a name of printable characters'],
    [{ id: '..' }, 'id = "..": expected a name of printable characters'],
    [{ id: 'a\nb' }, 'id = "a\\nb": expected a name of printable characters'],
    [{ id: '\ud800' }, 'id = "\\ud800": expected a name of printable characters'],
    [{ id: 'x'.repeat(201) }, `id = "${'x'.repeat(99)}…: expected at most 200 characters`],
    [{ id: 7 }, 'id = 7: expected a name'],
    [{ app: undefined }, 'app = nothing: expected a name'],
    [{ ip: 'host.example' }, 'ip = "host.example": expected an IPv4 or IPv6 address, not a name'],
    [{ port: 0 }, 'port = 0: expected a port, 1 to 65535'],
    [{ port: 70_000 }, 'port = 70000: expected a port, 1 to 65535'],
    [{ port: '80' }, 'port = "80": expected a port, 1 to 65535'],
    [{ port: 1.5 }, 'port = 1.5: expected a port, 1 to 65535'],
    [{ country: 'BRA' }, 'country = "BRA": expected a country code of two letters (ISO 3166-1) such as BR'],
    [{ weight: -1 }, 'weight = -1: expected a weight, a whole number from 0 to 2147483647'],
    [
      { soft_limit: null },
      'soft_limit = null: expected a number of connections, a whole number from 0 to 2147483647',
    ],
    [{ hard_limits: 3 }, '"hard_limits": no such field'],
    [
      { port: 0, ip: 1 },
      'ip = 1: expected an IPv4 or IPv6 address, not a name; port = 0: expected a port, 1 to 65535',
    ],
  ])('with %j is refused, and the field named', (change, problem) => {
    expect(problemOf(parseRegistration({ ...BODY, ...change }))).toBe(problem);
  });

  it('that is anything at all ends in a backend or in a problem', () => {
    const bodies = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          id: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
          app: fc.oneof(fc.string(), fc.jsonValue()),
          region: fc.oneof(fc.constantFrom('eu', 'sa', '__proto__', 'constructor'), fc.jsonValue()),
          country: fc.oneof(fc.constantFrom('BR', null), fc.jsonValue()),
          ip: fc.oneof(fc.ipV4(), fc.ipV6(), fc.jsonValue()),
          port: fc.oneof(fc.integer({ min: 0, max: 70_000 }), fc.jsonValue()),
          weight: fc.oneof(fc.integer(), fc.jsonValue()),
          soft_limit: fc.oneof(fc.nat(), fc.jsonValue()),
          hard_limit: fc.oneof(fc.nat(), fc.jsonValue()),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(bodies, (body) => {
        const parsed = parseRegistration(body);
        if (!parsed.ok) {
          expect(parsed.problem).not.toBe('');
          return;
        }
        const { id, country, port, softLimit, hardLimit, weight } = parsed.backend;
        expect(id).toBe(id.toWellFormed());
        expect(country).toMatch(/^[A-Z]{2}$/);
        expect([port, softLimit, hardLimit, weight].every(Number.isInteger)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('silence', () => {
  const TTL_MS = 60_000;
  it.each([
    [59_999, 120_000, false, 'fresh'],
    [60_000, 120_000, false, 'expires'],
    [600_000, 59_999, false, 'fresh'],
    [600_000, 60_000, false, 'expires'],
    [119_999, 600_000, true, 'fresh'],
    [120_000, 120_000, true, 'is_over'],
    [600_000, 119_999, true, 'fresh'],
    [0, 600_000, true, 'fresh'],
  ] as const)('of %i ms, watched for %i ms, expired %s: %s', (heardMsAgo, watchedMs, isExpired, verdict) => {
    expect(silenceOf({ heardMsAgo, ttlMs: TTL_MS }, isExpired, watchedMs)).toBe(verdict);
  });
});

describe('a watch', () => {
  it('counts from its first look, and anew after a break or a gap', () => {
    const watch = new Watch(10);
    expect([100, 105, 115].map((nowMs) => watch.look(nowMs))).toEqual([0, 5, 15]);
    expect(watch.look(126)).toBe(0);
    expect(watch.look(130)).toBe(4);
    watch.break();
    expect([131, 133].map((nowMs) => watch.look(nowMs))).toEqual([0, 2]);
  });
});
