import { type AddressInfo, createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Batch, type Message } from '../../src/proxy/net/batch.ts';
import { chooseTransport } from '../../src/proxy/net/choose-transport.ts';
import { HandleTransport } from '../../src/proxy/net/handle-transport.ts';
import { findHandles, type Handles, handlesOf } from '../../src/proxy/net/handles.ts';
import { ReadMemory } from '../../src/proxy/net/read-memory.ts';
import { StreamTransport } from '../../src/proxy/net/stream-wire.ts';
import type { Wire, WireHolder, WireReader } from '../../src/proxy/net/wire.ts';
import { once, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

type Parts = Record<string, unknown>;

/** What Node has below `net.Socket`, by its parts. */
function partsOf(name: 'stream_wrap' | 'tcp_wrap'): Parts {
  return { ...(process as unknown as { binding(name: string): Parts }).binding(name) };
}

describe('the choice of a transport', () => {
  it('finds the handles of the Node that the project brings', () => {
    expect(findHandles()).toMatchObject({ state: expect.any(Int32Array) as Int32Array });
  });

  it.each(['ShutdownWrap', 'streamBaseState', 'kReadBytesOrError', 'kLastWriteErr'])(
    'says so when %s is not there',
    (name) => {
      const { [name]: _, ...rest } = partsOf('stream_wrap');
      expect(handlesOf(rest, partsOf('tcp_wrap'))).toEqual({
        reason: `Node ${process.versions.node} has no ${name}`,
      });
    },
  );

  it.each(['TCP', 'TCPConnectWrap', 'constants'])('says so when %s is not there', (name) => {
    const { [name]: _, ...rest } = partsOf('tcp_wrap');
    const missing = name === 'constants' ? 'TCP.SOCKET' : name;
    expect(handlesOf(partsOf('stream_wrap'), rest)).toEqual({
      reason: `Node ${process.versions.node} has no ${missing}`,
    });
  });

  it('says so when a method is not there', () => {
    expect(handlesOf(partsOf('stream_wrap'), { ...partsOf('tcp_wrap'), TCP: Map })).toEqual({
      reason: `Node ${process.versions.node} has no TCP.useUserBuffer`,
    });
  });

  it('is for handles where a server has them as expected, else for streams, with a warning that says why', async () => {
    const warnings: object[] = [];
    const ignore = (): void => {};
    const warn = (fields: object): void => void warnings.push(fields);
    const logger = { error: ignore, warn, info: ignore, debug: ignore };
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    expect(chooseTransport(server, logger)).toBeInstanceOf(HandleTransport);
    expect(warnings).toEqual([]);
    const closed = once(server, 'close');
    server.close();
    await closed;
    expect(chooseTransport(server, logger)).toBeInstanceOf(StreamTransport);
    expect(warnings).toEqual([{ reason: 'the handle of a server accepts in another way' }]);
  });
});

describe('a batch', () => {
  const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

  /** A sender that notes what it is given to send. */
  function aSender(sent: string[], onSend: (message: Message) => void = () => {}) {
    return {
      send(message: Message) {
        sent.push(new TextDecoder().decode(message.bytes));
        onSend(message);
      },
    };
  }

  it('sends the messages of a turn at its end, in their order', async () => {
    const batch = new Batch();
    const sent: string[] = [];
    const memory = bytesOf('one');
    batch.add(aSender(sent), memory);
    memory.set(bytesOf('two'));
    batch.add(aSender(sent), memory);
    expect(sent).toEqual([]);
    await nextTurn();
    expect(sent).toEqual(['one', 'two']);
    batch.add(aSender(sent), bytesOf('more'));
    await nextTurn();
    expect(sent).toEqual(['one', 'two', 'more']);
  });

  it('sends earlier when there are many', async () => {
    const batch = new Batch();
    const sent: string[] = [];
    for (let number = 0; number < 100; number++) batch.add(aSender(sent), bytesOf(String(number)));
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.length).toBeLessThan(100);
    await nextTurn();
    expect(sent).toEqual(Array.from({ length: 100 }, (_, number) => String(number)));
  });

  it('keeps what is added by one who sends apart from what is still to be sent', async () => {
    const batch = new Batch();
    const sent: string[] = [];
    const adds = aSender(sent, () => void batch.add(aSender(sent), bytesOf('more')));
    for (let number = 0; number < 64; number++)
      batch.add(number === 10 ? adds : aSender(sent), bytesOf(String(number)));
    await nextTurn();
    batch.add(aSender(sent), bytesOf('other'));
    await nextTurn();
    await nextTurn();
    const numbers = Array.from({ length: 64 }, (_, number) => String(number));
    expect(sent.toSorted()).toEqual([...numbers, 'more', 'other'].toSorted());
  });

  it('leaves the bytes that wait for the kernel as they are', async () => {
    const batch = new Batch();
    const kept: Uint8Array[] = [];
    const keeper = aSender([], (message) => {
      kept.push(message.bytes);
      message.giveAway();
    });
    batch.add(keeper, bytesOf('one'));
    await nextTurn();
    batch.add(keeper, bytesOf('two'));
    await nextTurn();
    expect(kept.map((bytes) => new TextDecoder().decode(bytes))).toEqual(['one', 'two']);
  });
});

const HOLDER: WireHolder = { connected() {}, dialFailed() {}, closed() {} };

/** A reader that notes what it is told. */
function aReader(): WireReader & { readonly told: readonly string[] } {
  const told: string[] = [];
  const note = (what: string) => (): void => void told.push(what);
  return {
    told,
    took: note('took'),
    ended: note('ended'),
    broke: note('broke'),
    wrote: note('wrote'),
    writeFailed: note('writeFailed'),
  };
}

describe.each([
  ['handles', () => new HandleTransport(findHandles() as Handles)],
  ['streams', () => new StreamTransport()],
] as const)('a wire by %s', (name, transportOf) => {
  it('tells who reads next of an end that came between the readers, once', async () => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = Promise.withResolvers<Wire>();
    transportOf().accept(server, (client) => {
      client.hold(HOLDER);
      accepted.resolve(client);
    });
    const peer = await tcpConnect((server.address() as AddressInfo).port);
    const wire = await accepted.promise;
    onTestFinished(() => {
      wire.close();
      peer.destroy();
      server.close();
    });
    const [before, next] = [aReader(), aReader()];
    wire.read(before);
    peer.write('x');
    await until(() => before.told.length > 0, { what: 'a byte' });
    wire.pause();
    peer.end();
    // A stream that is paused tells of an end all the same.
    if (name === 'streams') await until(() => before.told.includes('ended'), { what: 'the end' });
    wire.read(next);
    await until(() => next.told.includes('ended'), { what: 'the end to be told again' });
    await nextTurn();
    expect(next.told).toEqual(['ended']);
  });
});

describe('the memory that is read into', () => {
  it('keeps what was staged and lent, and knows what it has just read from everything else', () => {
    const memory = new ReadMemory();
    memory.shared.fill(1);
    const read = memory.sharedBytes(5_000);
    expect([memory.isShared(read), memory.isShared(new Uint8Array(5_000))]).toEqual([true, false]);
    const staged = memory.stage(read);
    const lent = memory.lendStaged();
    memory.shared.fill(2);
    memory.stage(memory.sharedBytes(5_000));
    expect([staged.length, ...new Set(staged)]).toEqual([5_000, 1]);
    memory.giveBack(lent);
    expect(memory.take()).toBe(lent);
  });
});
