import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeV1, encodeV2, encodeV2Local } from '../../../src/domain/proxy-protocol/encode.ts';
import { parseProxyHeader } from '../../../src/domain/proxy-protocol/parse-header.ts';
import { readTlvs, TLV_TYPE, writeTlvs } from '../../../src/domain/proxy-protocol/tlvs.ts';
import { ascii, endpointsOf, hex, someEndpoints, someHeader, someTlvs } from '../../support/proxy-headers.ts';

const some = fc.uint8Array({ maxLength: 40 });
const RUNS = { numRuns: 2_000 };

function parseWith(header: Uint8Array, more: Uint8Array): ReturnType<typeof parseProxyHeader> {
  const bytes = Uint8Array.from([...header, ...more]);
  return parseProxyHeader(bytes, bytes.length);
}

function withoutChecksum(tlvs: Uint8Array): Uint8Array {
  return writeTlvs(
    readTlvs(tlvs)!.map(({ type, value }) => ({
      type,
      value: type === TLV_TYPE.CRC32C ? new Uint8Array(4) : value,
    })),
  );
}

describe('PROXY headers', () => {
  it('of version 1 come back as they were written, whatever follows', () => {
    fc.assert(
      fc.property(someEndpoints, some, (endpoints, more) => {
        const header = encodeV1(endpoints);
        expect(header.length).toBeLessThanOrEqual(107);
        expect(parseWith(header, more)).toMatchObject({ version: 1, endpoints, headerBytes: header.length });
      }),
      RUNS,
    );
  });

  it('of version 2 come back as they were written, with their vectors', () => {
    fc.assert(
      fc.property(someEndpoints, someTlvs, some, (endpoints, tlvs, more) => {
        const header = encodeV2(endpoints, tlvs);
        const parsed = parseWith(header, more);
        expect(parsed).toMatchObject({ version: 2, command: 'proxy', endpoints, headerBytes: header.length });
        expect('tlvs' in parsed && withoutChecksum(parsed.tlvs)).toEqual(withoutChecksum(tlvs));
      }),
      RUNS,
    );
  });

  it('without endpoints come back without, in either version and command', () => {
    fc.assert(
      fc.property(someTlvs, some, (tlvs, more) => {
        for (const header of [encodeV1(undefined), encodeV2(undefined, tlvs), encodeV2Local(tlvs)])
          expect(parseWith(header, more)).toMatchObject({
            transport: 'unspecified',
            endpoints: undefined,
            headerBytes: header.length,
          });
      }),
      RUNS,
    );
  });

  it('are incomplete in every part that they begin with, and never need more than they have', () => {
    fc.assert(
      fc.property(someHeader, fc.uint8Array({ minLength: 200, maxLength: 200 }), (header, garbage) => {
        // What lies behind the count is not to be read.
        const bytes = Uint8Array.from([...header, ...garbage]);
        for (let count = 0; count < header.length; count++) {
          const part = bytes.slice();
          part.set(garbage.subarray(0, Math.min(garbage.length, part.length - count)), count);
          const parsed = parseProxyHeader(part, count);
          expect(parsed.kind).toBe('incomplete');
          if (parsed.kind !== 'incomplete') return;
          expect(parsed.neededBytes).toBeGreaterThan(count);
          expect(parsed.neededBytes).toBeLessThanOrEqual(header.length);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('that begin with random bytes are answered, never thrown at', () => {
    const starts = fc.constantFrom(
      new Uint8Array(),
      ascii('PROXY '),
      ascii('PROXY TCP4 '),
      ascii('PROXY TCP6 '),
      hex('0d0a0d0a000d0a515549540a'),
      hex('0d0a0d0a000d0a515549540a2111'),
      hex('0d0a0d0a000d0a515549540a21110030'),
    );
    fc.assert(
      fc.property(starts, fc.uint8Array({ maxLength: 300 }), (start, rest) => {
        const { kind } = parseWith(start, rest);
        expect(['incomplete', 'header', 'malformed']).toContain(kind);
      }),
      { numRuns: 5_000 },
    );
  });

  it('with a byte changed say the whole of what they say now, or nothing', () => {
    fc.assert(
      fc.property(someHeader, fc.nat(), fc.integer({ min: 0, max: 255 }), (header, at, byte) => {
        const bytes = Uint8Array.from(header);
        bytes[at % bytes.length] = byte;
        const parsed = parseProxyHeader(bytes, bytes.length);
        if (parsed.kind !== 'header') {
          expect(parsed).not.toHaveProperty('endpoints');
          return;
        }
        expect(parsed.headerBytes).toBeLessThanOrEqual(bytes.length);
        if (parsed.endpoints === undefined) return;
        // What was understood is what the encoder would say of it.
        const own =
          parsed.version === 1 ? encodeV1(parsed.endpoints) : encodeV2(parsed.endpoints, parsed.tlvs);
        expect(parseProxyHeader(own, own.length)).toMatchObject({ endpoints: parsed.endpoints });
      }),
      { numRuns: 5_000 },
    );
  });

  it('of version 1 that are cut short of their last field announce nobody', () => {
    const header = encodeV1(endpointsOf('203.0.113.77', 54_321, '198.51.100.2', 443));
    for (let count = 0; count <= header.length - '443\r\n'.length; count++) {
      const cut = Uint8Array.from([...header.subarray(0, count), 13, 10]);
      expect(['malformed', 'incomplete']).toContain(parseProxyHeader(cut, cut.length).kind);
    }
  });

  it('have no vector of more bytes than a length can say, and no more vectors than the header can hold', () => {
    expect(() => writeTlvs([{ type: 4, value: new Uint8Array(65_536) }])).toThrow(RangeError);
    const full = writeTlvs([{ type: 4, value: new Uint8Array(65_533) }]);
    expect(() => encodeV2Local(full)).toThrow('a header with 65536 bytes after its start');
  });
});
