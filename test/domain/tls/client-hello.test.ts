import { connect } from 'node:tls';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  LONGEST_HELLO_BYTES,
  type MalformedHello,
  type ParsedHello,
} from '../../../src/domain/tls/client-hello.ts';
import { parseClientHello } from '../../../src/domain/tls/parse-client-hello.ts';
import {
  alpnOf,
  type Extension,
  helloMessage,
  recordOf,
  recordsOf,
  serverNameOf,
  vector,
} from '../../support/client-hello.ts';
import { startTcpBackend } from '../../support/sockets.ts';

const RUNS = { numRuns: 1_000 };

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const host = fc
  .array(label, { minLength: 1, maxLength: 5 })
  .map((labels) => [...labels, 'example'].join('.'));
const protocols = fc.array(fc.stringMatching(/^[ -~]{1,20}$/), { minLength: 1, maxLength: 5 });
const others = fc.uniqueArray(
  fc.record({ type: fc.integer({ min: 17, max: 65_535 }), data: fc.uint8Array({ maxLength: 60 }) }),
  { selector: ({ type }) => type, maxLength: 6 },
);
const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 8 });

interface Greeting {
  readonly serverName: string | undefined;
  readonly alpn: readonly string[];
  readonly others: readonly Extension[];
  readonly cuts: readonly number[];
}

const greeting: fc.Arbitrary<Greeting> = fc.record({
  serverName: fc.option(host, { nil: undefined }),
  alpn: fc.oneof(fc.constant<string[]>([]), protocols),
  others,
  cuts,
});

function bytesOf({ serverName, alpn, others: rest, cuts: at }: Greeting): Buffer {
  const own = [
    ...(serverName === undefined ? [] : [serverNameOf(serverName)]),
    ...(alpn.length === 0 ? [] : [alpnOf(...alpn)]),
  ];
  return recordsOf(helloMessage([...rest, ...own]), at);
}

/** 0 of one that has an answer. */
function neededBytesOf(parsed: ParsedHello): number {
  return parsed.kind === 'incomplete' ? parsed.neededBytes : 0;
}

const simple = (...extensions: readonly Extension[]): Buffer => recordsOf(helloMessage(extensions));

describe("a TLS client's greeting", () => {
  it('is read in whatever records it comes, with whatever follows', () => {
    fc.assert(
      fc.property(greeting, fc.uint8Array({ maxLength: 40 }), (one, early) => {
        const { serverName, alpn } = one;
        expect(parseClientHello(Buffer.concat([bytesOf(one), recordOf(early, 23)]))).toEqual({
          kind: 'hello',
          serverName,
          alpn,
        });
      }),
      RUNS,
    );
  });

  it('is incomplete in each of its beginnings', () => {
    fc.assert(
      fc.property(greeting, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (one, share) => {
        const bytes = bytesOf(one);
        const part = bytes.subarray(0, Math.floor(share * bytes.length));
        const parsed = parseClientHello(part);
        expect(parsed).toEqual({ kind: 'incomplete', neededBytes: expect.any(Number) as number });
        expect(neededBytesOf(parsed)).toBeGreaterThan(part.length);
        expect(neededBytesOf(parsed)).toBeLessThanOrEqual(bytes.length);
      }),
      RUNS,
    );
  });

  it('is looked at a few times for each record, in however small pieces it comes', () => {
    fc.assert(
      fc.property(greeting, (one) => {
        const bytes = bytesOf(one);
        let looks = 0;
        for (let needed = 1; needed > 0; looks++)
          needed = neededBytesOf(parseClientHello(bytes.subarray(0, needed)));
        // Its record, its own header, what is left of it.
        expect(looks).toBeLessThanOrEqual(3 * (one.cuts.length + 1) + 1);
      }),
      RUNS,
    );
  });

  it('is malformed in more than 16 records, as soon as the next one begins', () => {
    const message = helloMessage([alpnOf('h2')]);
    const inRecords = (count: number): Buffer =>
      recordsOf(
        message,
        Array.from({ length: count - 1 }, (_, index) => index + 1),
      );
    expect(parseClientHello(inRecords(16))).toMatchObject({ kind: 'hello' });
    const tooMany = inRecords(17);
    const endOfTheLast = 16 * recordOf(Buffer.alloc(1)).length;
    expect(parseClientHello(tooMany.subarray(0, endOfTheLast))).toMatchObject({ kind: 'incomplete' });
    expect(parseClientHello(tooMany.subarray(0, endOfTheLast + 1))).toMatchObject({ reason: 'records' });
  });

  it('ends in an answer, whatever of it is changed', () => {
    fc.assert(
      fc.property(greeting, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, at, change) => {
        const bytes = bytesOf(one);
        const index = at % bytes.length;
        bytes[index] = bytes[index]! ^ change;
        expect(['hello', 'incomplete', 'malformed']).toContain(parseClientHello(bytes).kind);
      }),
      RUNS,
    );
  });

  it('is never taken to be what is no TLS', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
        fc.pre(bytes[0] !== 22);
        expect(parseClientHello(bytes)).toMatchObject({ kind: 'malformed', reason: 'not_tls' });
      }),
      RUNS,
    );
  });

  it('is malformed as soon as it says that it is too long', () => {
    const message = helloMessage([{ type: 21, data: Buffer.alloc(LONGEST_HELLO_BYTES) }]);
    const announced = recordsOf(message.subarray(0, 4), [1, 2, 3]);
    expect(parseClientHello(announced.subarray(0, -1))).toMatchObject({ kind: 'incomplete' });
    expect(parseClientHello(announced)).toMatchObject({ kind: 'malformed', reason: 'too_long' });
  });

  it('is malformed when its records make it too long', () => {
    const empty = helloMessage([{ type: 21, data: Buffer.alloc(0) }]);
    const message = helloMessage([{ type: 21, data: Buffer.alloc(LONGEST_HELLO_BYTES - empty.length - 40) }]);
    const ends = [1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000];
    expect(parseClientHello(recordsOf(message, ends))).toMatchObject({ kind: 'hello' });
    const bytes = recordsOf(message, [...ends, 8_000]);
    expect(parseClientHello(bytes.subarray(0, 7_500))).toMatchObject({ kind: 'incomplete' });
    expect(parseClientHello(bytes)).toMatchObject({ kind: 'malformed', reason: 'too_long' });
  });

  it.each<readonly [string, MalformedHello['reason'], Uint8Array]>([
    ['HTTP', 'not_tls', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['an alert', 'not_tls', recordOf(Buffer.from([1, 0]), 21)],
    ['a greeting of SSL 2', 'not_tls', Buffer.from([0x80, 0x2e, 1, 0, 2])],
    ['a record of another major version', 'not_tls', Buffer.from([22, 2, 0, 0, 4])],
    ['an empty record', 'length', recordOf(Buffer.alloc(0))],
    ['a record that is too long', 'length', Buffer.from([22, 3, 1, 0x40, 1])],
    ["the server's greeting", 'not_a_hello', recordsOf(helloMessage([], { type: 2 }))],
    [
      'a message behind it in its record',
      'length',
      recordOf(Buffer.concat([helloMessage([]), Buffer.from([1])])),
    ],
    [
      'a record of data within it',
      'field',
      Buffer.concat([recordOf(helloMessage([]).subarray(0, 9)), recordOf(Buffer.from('x'), 23)]),
    ],
    ['bytes behind its extensions', 'field', recordsOf(helloMessage([], { trailing: Buffer.from([0]) }))],
    ['an empty body', 'field', recordOf(Buffer.from([1, 0, 0, 0]))],
    ['an extension twice', 'extension', simple(alpnOf('h2'), alpnOf('h2'))],
    ['an extension beyond the end', 'field', simple({ type: 0, data: Buffer.from([0, 9, 0]) })],
    ['no server name in the extension', 'server_name', simple(serverNameOf())],
    ['two server names', 'server_name', simple(serverNameOf('a.example', 'b.example'))],
    ['an empty server name', 'server_name', simple(serverNameOf(''))],
    ['a server name with a NUL', 'server_name', simple(serverNameOf('a.example\0.evil'))],
    ['a server name with a dot at its end', 'server_name', simple(serverNameOf('a.example.'))],
    ['digits for a server name', 'server_name', simple(serverNameOf('127.0.1'))],
    ['two addresses for a server name', 'server_name', simple(serverNameOf('127.0.0.1', '::1'))],
    ['a server name that is too long', 'server_name', simple(serverNameOf(`${'a.'.repeat(127)}example`))],
    ['a label that is too long', 'server_name', simple(serverNameOf(`${'a'.repeat(64)}.example`))],
    [
      'bytes behind the server name',
      'field',
      simple({ type: 0, data: Buffer.concat([serverNameOf('a.example').data, Buffer.from([0])]) }),
    ],
    ['no protocol', 'alpn', simple(alpnOf())],
    ['a protocol without a name', 'alpn', simple(alpnOf('h2', ''))],
    [
      'bytes behind the protocols',
      'field',
      simple({ type: 16, data: Buffer.concat([vector(2, vector(1, Buffer.from('h2'))), Buffer.from([0])]) }),
    ],
  ])('is malformed with %s', (_, reason, bytes) => {
    expect(parseClientHello(bytes)).toMatchObject({ kind: 'malformed', reason });
  });

  it.each(['127.0.0.1', '::1', 'FE80::1'])('has no server name with the address %s for one', (address) => {
    expect(parseClientHello(simple(serverNameOf(address), alpnOf('h2')))).toEqual({
      kind: 'hello',
      serverName: undefined,
      alpn: ['h2'],
    });
  });

  it('has its name in lower case', () => {
    expect(parseClientHello(simple(serverNameOf('WWW.Example')))).toMatchObject({
      serverName: 'www.example',
    });
  });

  it.each([
    [
      'TLSv1.2',
      { servername: 'shop.example', ALPNProtocols: ['h2', 'http/1.1'] },
      'shop.example',
      ['h2', 'http/1.1'],
    ],
    ['TLSv1.3', { servername: 'a_b.example' }, 'a_b.example', []],
    ['TLSv1.3', {}, undefined, []],
  ] as const)('of OpenSSL with %s is read (%j)', async (version, options, serverName, alpn) => {
    const greeted = Promise.withResolvers<Buffer>();
    const server = await startTcpBackend((socket) => socket.once('data', greeted.resolve));
    onTestFinished(() => server.close());
    const client = connect({
      port: server.port,
      host: server.host,
      minVersion: version,
      maxVersion: version,
      ...options,
      ...('ALPNProtocols' in options ? { ALPNProtocols: [...options.ALPNProtocols] } : {}),
    });
    onTestFinished(() => void client.destroy());
    client.on('error', () => {});
    expect(parseClientHello(await greeted.promise)).toEqual({ kind: 'hello', serverName, alpn });
  });
});
