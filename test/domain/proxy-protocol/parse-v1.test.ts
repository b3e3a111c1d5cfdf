import { isIPv4, isIPv6 } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseProxyHeader } from '../../../src/domain/proxy-protocol/parse-header.ts';
import { ascii, endpointsOf } from '../../support/proxy-headers.ts';

function parse(text: string): ReturnType<typeof parseProxyHeader> {
  return parseProxyHeader(ascii(text), text.length);
}

const LONGEST_ADDRESS = Array.from({ length: 8 }, () => 'ffff').join(':');
const LONGEST_UNKNOWN = `PROXY UNKNOWN ${LONGEST_ADDRESS} ${LONGEST_ADDRESS} 65535 65535\r\n`;

describe('a header of version 1', () => {
  it('is read as the specification shows it, and the request behind it is not part of it', () => {
    const header = 'PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n';
    expect(parse(`${header}GET / HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n`)).toEqual({
      kind: 'header',
      version: 1,
      command: 'proxy',
      transport: 'tcp4',
      endpoints: endpointsOf('192.168.0.1', 56_324, '192.168.0.11', 443),
      headerBytes: header.length,
      tlvs: new Uint8Array(),
    });
  });

  it.each([
    ['PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n', 56, 'tcp4'],
    [`PROXY TCP6 ${LONGEST_ADDRESS} ${LONGEST_ADDRESS} 65535 65535\r\n`, 104, 'tcp6'],
    ['PROXY UNKNOWN\r\n', 15, 'unspecified'],
    [LONGEST_UNKNOWN, 107, 'unspecified'],
    ['PROXY UNKNOWN whatever \0\xff this is\r\n', 35, 'unspecified'],
    ['PROXY TCP6 2001:DB8::1 ::ffff:192.0.2.1 0 1\r\n', 45, 'tcp6'],
  ])('may be %j', (line, headerBytes, transport) => {
    expect(parse(line)).toMatchObject({ kind: 'header', headerBytes, transport });
  });

  it.each([
    ['PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n', 'line'],
    ['PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\r\n', 'line'],
    ['PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n', 'line'],
    ['PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\n', 'line'],
    ['PROXY TCP4  192.168.0.1 192.168.0.11 56324 443\r\n', 'line'],
    ['PROXY TCP4 192.168.0.1 192.168.0.11 056324 443\r\n', 'line'],
    ['PROXY TCP4 192.168.0.1 192.168.0.11 56324 65536\r\n', 'line'],
    ['PROXY TCP4 192.168.0.1 192.168.0.11 56324 -1\r\n', 'line'],
    ['PROXY TCP4 192.168.0.1 192.168.0.11 0x50 443\r\n', 'line'],
    ['PROXY TCP4 192.168.000.1 192.168.0.11 56324 443\r\n', 'line'],
    ['PROXY TCP4 192.168.1 192.168.0.11 56324 443\r\n', 'line'],
    ['PROXY TCP4 256.168.0.1 192.168.0.11 56324 443\r\n', 'line'],
    ['PROXY TCP4 ::1 ::1 56324 443\r\n', 'line'],
    ['PROXY TCP6 192.168.0.1 192.168.0.11 56324 443\r\n', 'line'],
    ['PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n', 'line'],
    ['PROXY TCP6 00001::1 ::1 56324 443\r\n', 'line'],
    ['PROXY TCP6 1::2::3 ::1 56324 443\r\n', 'line'],
    ['PROXY UDP4 192.168.0.1 192.168.0.11 56324 443\r\n', 'line'],
    ['PROXY tcp4 192.168.0.1 192.168.0.11 56324 443\r\n', 'line'],
    ['PROXY \r\n', 'line'],
    ['proxy TCP4 192.168.0.1 192.168.0.11 56324 443\r\n', 'signature'],
    ['PROXYTCP4', 'signature'],
    ['GET / HTTP/1.1\r\n', 'signature'],
    [LONGEST_UNKNOWN.replace('\r\n', ' \r\n'), 'too_long'],
    ['PROXY UNKNOWN '.padEnd(107, 'x'), 'too_long'],
  ])('is not %j', (line, reason) => {
    expect(parse(line)).toMatchObject({ kind: 'malformed', reason });
  });

  it('may be no longer than the caller allows', () => {
    const line = 'PROXY UNKNOWN and more\r\n';
    expect(parseProxyHeader(ascii(line), line.length, line.length)).toMatchObject({ kind: 'header' });
    expect(parseProxyHeader(ascii(line), line.length, line.length - 1)).toMatchObject({ reason: 'too_long' });
  });

  it('has the addresses that Node takes for addresses, and no others', () => {
    const almost = fc.string({
      unit: fc.constantFrom('0', '1', 'f', 'A', ':', '::', '.', '255'),
      maxLength: 12,
    });
    const text = fc.oneof(almost, fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(text, (address) => {
        const is = (protocol: string, own: string): boolean =>
          parse(`PROXY ${protocol} ${address} ${own} 1 2\r\n`).kind === 'header';
        expect([is('TCP4', '1.2.3.4'), is('TCP6', '::1')]).toEqual([isIPv4(address), isIPv6(address)]);
      }),
      { numRuns: 3_000 },
    );
  });
});
