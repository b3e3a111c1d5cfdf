import { describe, expect, it } from 'vitest';
import type { ClientHello } from '../../src/domain/tls/client-hello.ts';
import { parseClientHello } from '../../src/domain/tls/parse-client-hello.ts';
import { AwaitedStart } from '../../src/proxy/awaited-start.ts';
import { LoopClock } from '../../src/proxy/epoll/clock.ts';
import { FLAG, newSocketTableMemory, SocketTable } from '../../src/proxy/epoll/socket-table.ts';
import type { Sockets } from '../../src/proxy/epoll/sockets.ts';
import { StartReader } from '../../src/proxy/epoll/start-reader.ts';
import { SO } from '../../src/proxy/sys/constants.ts';
import type { Sys } from '../../src/proxy/sys/sys.ts';
import { helloMessage, recordsOf, serverNameOf } from '../support/client-hello.ts';
import { FakeWire } from '../support/fake-wire.ts';

const RECORDS = 16;
/** The header of each record, its end, and the header of the message. */
const MOST_LOOKS = 2 * RECORDS + 2;
const CLIENT = 9;
const BOUNDS = { timeoutMs: 60_000 };

/** A greeting in as many records as it may have, the last of which is long. */
const GREETING = recordsOf(
  helloMessage([serverNameOf('shop.example'), { type: 21, data: Buffer.alloc(10_000) }]),
  Array.from({ length: RECORDS - 1 }, (_, index) => index + 1),
);

/** A parser that counts what it is asked. */
function aParser() {
  const seen = { looks: 0 };
  const parse = (bytes: Uint8Array) => {
    seen.looks++;
    return parseClientHello(bytes);
  };
  return { seen, parse };
}

describe('a greeting that comes byte by byte', () => {
  it('is looked at a few times for each record by the portable engine, and kept as it is', () => {
    const { seen, parse } = aParser();
    const wire = new FakeWire();
    const starts: unknown[] = [];
    const awaited = new AwaitedStart<ClientHello>(wire, {
      bounds: BOUNDS,
      now: () => 0,
      parse,
      onStart: ({ serverName }, { bytes }) => starts.push(serverName, Buffer.from(bytes)),
      onRefused: (problem) => starts.push(problem),
    });
    awaited.begin();
    for (const byte of GREETING) wire.reader!.took(wire, Uint8Array.of(byte));
    expect(starts).toEqual(['shop.example', GREETING]);
    expect(seen.looks).toBeLessThanOrEqual(MOST_LOOKS);
  });

  it('is looked at a few times for each record by the epoll engine', () => {
    const { seen, parse } = aParser();
    const kernel = { sent: 0, toldFrom: 1, peeks: 0 };
    let memory = new ArrayBuffer();
    const sys = {
      addressOf: (buffer: ArrayBuffer) => ((memory = buffer), 0),
      peek(_fd: number, _into: number, length: number) {
        kernel.peeks++;
        const bytes = GREETING.subarray(0, Math.min(kernel.sent, length));
        new Uint8Array(memory).set(bytes);
        return bytes.length;
      },
      setOption(_fd: number, _level: number, option: number, value: number) {
        if (option === SO.RCVLOWAT) kernel.toldFrom = value;
        return 0;
      },
    };
    const table = new SocketTable(newSocketTableMemory(64));
    table.open(CLIENT, FLAG.OPEN | FLAG.CLIENT);
    const starts: unknown[] = [];
    const reader = new StartReader<ClientHello>({
      sys: sys as unknown as Sys,
      table,
      sockets: { watchReads: () => 0, unwatch() {} } as unknown as Sockets,
      clock: new LoopClock(),
      flag: FLAG.AWAITS_HELLO,
      bounds: BOUNDS,
      mostBytes: 16_384,
      parse: (bytes, byteCount) => parse(bytes.subarray(0, byteCount)),
      onStart: (_fd, { serverName }) => starts.push(serverName),
      onRefused: (_fd, problem) => starts.push(problem),
    });
    kernel.sent = 1;
    reader.await(CLIENT);
    while (kernel.sent < GREETING.length) {
      kernel.sent++;
      if (kernel.sent >= kernel.toldFrom) reader.look(CLIENT, false);
    }
    expect(starts).toEqual(['shop.example']);
    expect(seen.looks).toBeLessThanOrEqual(MOST_LOOKS);
    expect(kernel.peeks).toBe(seen.looks);
    // Whoever relays it is told of each byte again.
    expect(kernel.toldFrom).toBe(1);
  });
});
