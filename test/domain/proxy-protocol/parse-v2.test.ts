import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/domain/proxy-protocol/crc32c.ts';
import { encodeV2 } from '../../../src/domain/proxy-protocol/encode.ts';
import { parseProxyHeader } from '../../../src/domain/proxy-protocol/parse-header.ts';
import { readTlvs, writeTlvs } from '../../../src/domain/proxy-protocol/tlvs.ts';
import { ascii, endpointsOf, hex } from '../../support/proxy-headers.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const TCP4 = `${SIGNATURE} 21 11 000c c0000201 c6336402 d431 01bb`;
const ENDPOINTS4 = endpointsOf('192.0.2.1', 54_321, '198.51.100.2', 443);

function parse(text: string, more = ''): ReturnType<typeof parseProxyHeader> {
  const bytes = Uint8Array.from([...hex(text), ...ascii(more)]);
  return parseProxyHeader(bytes, bytes.length);
}

describe('a header of version 2', () => {
  it('announces TCP over IPv4', () => {
    expect(parse(TCP4, 'hello')).toEqual({
      kind: 'header',
      version: 2,
      command: 'proxy',
      transport: 'tcp4',
      endpoints: ENDPOINTS4,
      headerBytes: 28,
      tlvs: new Uint8Array(),
    });
  });

  it('announces TCP over IPv6', () => {
    const addresses = '20010db8000000000000000000000001 20010db8000000000000000000000002';
    expect(parse(`${SIGNATURE} 21 21 0024 ${addresses} 0001 ffff`)).toMatchObject({
      transport: 'tcp6',
      endpoints: endpointsOf('2001:db8::1', 1, '2001:db8::2', 65_535),
      headerBytes: 52,
    });
  });

  it.each([
    ['datagrams over IPv4', `${SIGNATURE} 21 12 000c 7f000001 7f000002 0001 0002`, 'udp4'],
    ['datagrams over IPv6', `${SIGNATURE} 21 22 0024 ${'00'.repeat(36)}`, 'udp6'],
    ['UNIX streams', `${SIGNATURE} 21 31 00d8 ${'2f'.repeat(216)}`, 'unix_stream'],
    ['UNIX datagrams', `${SIGNATURE} 21 32 00d8 ${'2f'.repeat(216)}`, 'unix_datagram'],
    ['an unknown family', `${SIGNATURE} 21 00 0000`, 'unspecified'],
    ['an unknown family with something behind it', `${SIGNATURE} 21 00 0005 ffffffffff`, 'unspecified'],
    ['IPv4 without a transport', `${SIGNATURE} 21 10 000c ${'00'.repeat(12)}`, 'unspecified'],
    ['a transport without a family', `${SIGNATURE} 21 01 0000`, 'unspecified'],
  ])('announces %s', (_, text, transport) => {
    const header = parse(text, 'more');
    expect(header).toMatchObject({
      kind: 'header',
      command: 'proxy',
      transport,
      headerBytes: hex(text).length,
    });
    expect('endpoints' in header && header.endpoints !== undefined).toBe(transport.startsWith('udp'));
  });

  it.each(['20 00 0000', '20 11 000c ffffffffffffffffffffffff', '20 ff 0003 000000'])(
    'of a proxy of its own account, %s, has its family and what follows skipped',
    (rest) => {
      const header = parse(`${SIGNATURE} ${rest}`, 'more');
      expect(header).toEqual({
        kind: 'header',
        version: 2,
        command: 'local',
        transport: 'unspecified',
        endpoints: undefined,
        headerBytes: hex(`${SIGNATURE} ${rest}`).length,
        tlvs: new Uint8Array(),
      });
    },
  );

  it('hands its vectors on as they came', () => {
    const tlvs = writeTlvs([
      { type: 0x02, value: ascii('example.com') },
      { type: 0x04, value: new Uint8Array() },
      { type: 0xe5, value: ascii('custom') },
    ]);
    const header = encodeV2(ENDPOINTS4, tlvs);
    expect(parseProxyHeader(header, header.length)).toMatchObject({ endpoints: ENDPOINTS4, tlvs });
    expect(readTlvs(tlvs)!.map(({ type }) => type)).toEqual([0x02, 0x04, 0xe5]);
  });

  it.each([
    ['version', `${SIGNATURE} 11`],
    ['version', `${SIGNATURE} 31 11 000c ${'00'.repeat(12)}`],
    ['command', `${SIGNATURE} 22`],
    ['command', `${SIGNATURE} 2f 11 000c ${'00'.repeat(12)}`],
    ['family', `${SIGNATURE} 21 41 0000`],
    ['family', `${SIGNATURE} 21 13 000c ${'00'.repeat(12)}`],
    ['length', `${SIGNATURE} 21 11 000b ${'00'.repeat(11)}`],
    ['length', `${SIGNATURE} 21 21 0023 ${'00'.repeat(35)}`],
    ['length', `${SIGNATURE} 21 31 00d7 ${'00'.repeat(215)}`],
    ['too_long', `${SIGNATURE} 21 11 ffff`],
    ['too_long', `${SIGNATURE} 20 00 0ff1`],
    ['tlv', `${SIGNATURE} 21 11 000d ${'00'.repeat(12)} 04`],
    ['tlv', `${SIGNATURE} 21 11 000f ${'00'.repeat(12)} 04 0001`],
    ['checksum', `${SIGNATURE} 21 11 0013 ${'00'.repeat(12)} 03 0004 00000000`],
    ['checksum', `${SIGNATURE} 21 11 0011 ${'00'.repeat(12)} 03 0002 0000`],
    ['checksum', `${SIGNATURE} 21 00 0007 03 0004 12345678`],
    ['signature', '0d0a0d0a000d0a515549540b'],
  ])('is malformed by its %s: %s', (reason, text) => {
    expect(parse(text)).toMatchObject({ kind: 'malformed', reason });
  });

  it('may be no longer than the caller allows', () => {
    const header = hex(TCP4);
    expect(parseProxyHeader(header, header.length, 28)).toMatchObject({ kind: 'header' });
    expect(parseProxyHeader(header, header.length, 27)).toMatchObject({ reason: 'too_long' });
  });

  it('says how many bytes it needs', () => {
    const header = hex(TCP4);
    expect(parseProxyHeader(header, 3)).toEqual({ kind: 'incomplete', neededBytes: 16 });
    expect(parseProxyHeader(header, 16)).toEqual({ kind: 'incomplete', neededBytes: 28 });
  });
});

describe('the checksum of a header', () => {
  it.each([
    ['123456789', 0xe306_9283],
    ['\0'.repeat(32), 0x8a91_36aa],
    ['\xff'.repeat(32), 0x62a8_ab43],
    ['', 0],
  ])('is CRC32c, as the vectors of RFC 3720 say: %j', (text, expected) => {
    expect(crc32c(ascii(text))).toBe(expected);
  });

  it('is computed with its own field as zeros', () => {
    const tlvs = writeTlvs([
      { type: 0x05, value: ascii('id') },
      { type: 0x03, value: ascii('????') },
    ]);
    const header = encodeV2(ENDPOINTS4, tlvs);
    const zeroed = Uint8Array.from(header).fill(0, header.length - 4);
    expect(new DataView(header.buffer).getUint32(header.length - 4)).toBe(crc32c(zeroed));
    expect(parseProxyHeader(header, header.length)).toMatchObject({ kind: 'header' });
  });

  it('may be there once', () => {
    const field = { type: 0x03, value: new Uint8Array(4) };
    const header = encodeV2(ENDPOINTS4, writeTlvs([field, field]));
    expect(parseProxyHeader(header, header.length)).toMatchObject({ kind: 'malformed', reason: 'checksum' });
  });
});
