import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ConnectionQuery, LiveConnection } from '../../src/domain/live-connections.ts';
import { incarnationOf } from '../../src/domain/backend.ts';
import { aBackend as aRow } from '../support/backends.ts';
import { anEchoBackend, exchange } from '../support/edge.ts';
import { ENGINES, type EngineKind, type EngineOptions } from '../support/engines.ts';
import { tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

/** An engine before two echo backends, of which the second is far away and takes what the first has no place for. */
async function anEngine(kind: EngineKind, places: number, options: Partial<EngineOptions> = {}) {
  const backend = await anEchoBackend();
  const near = aRow({ id: 'near@home', port: backend.port, hardLimit: places });
  const far = aRow({ id: 'far', port: backend.port, region: 'us', country: 'US', hardLimit: 1 });
  const running = await kind.start([near, far], options);
  onTestFinished(() => running.engine.close(0));
  const connect = async (localAddress = '127.0.0.1'): Promise<Socket> => {
    const socket = await tcpConnect(running.port, '127.0.0.1', { localAddress });
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  const list = (query: Partial<ConnectionQuery> = {}) => running.engine.connections({ limit: 100, ...query });
  return { ...running, near, far, connect, list };
}

/** All pages of so many. */
function pages(list: (query: Partial<ConnectionQuery>) => ReturnType<EngineListing>, limit: number) {
  const all: (readonly LiveConnection[])[] = [];
  for (let after: string | null | undefined; after !== null;) {
    const { items, next } = list({ limit, after });
    all.push(items);
    after = next;
  }
  return all;
}

type EngineListing = (query: ConnectionQuery) => {
  readonly items: readonly LiveConnection[];
  readonly next: string | null;
};

describe.each(ENGINES)('the connections of the $name engine', (kind) => {
  it('are listed in pages, each once, with their backends and bytes', async () => {
    const { connect, list, near, far } = await anEngine(kind, 6);
    const startedSecs = Math.floor(Date.now() / 1000);
    const clients = await Promise.all(Array.from({ length: 7 }, () => connect()));
    await Promise.all(clients.map((client, index) => exchange(client, 'x'.repeat(index + 1))));
    // What the client has read, a thread may count a moment later.
    const bytesOf = (port: number | undefined) =>
      list().items.find(({ clientPort }) => clientPort === port)?.bytesReceived;
    for (const [index, { localPort }] of clients.entries())
      await until(() => bytesOf(localPort) === index + 1, { what: `${index + 1} bytes to be counted` });

    const found = pages(list, 2);
    expect(found.every(({ length }) => length <= 2)).toBe(true);
    const ports = found.flat().map(({ clientPort }) => clientPort);
    expect(ports).toHaveLength(clients.length);
    expect(new Set(ports)).toEqual(new Set(clients.map(({ localPort }) => localPort)));
    for (const connection of found.flat()) {
      const sent = clients.findIndex(({ localPort }) => localPort === connection.clientPort) + 1;
      expect(connection).toMatchObject({
        client: '127.0.0.1',
        state: 'connected',
        bytesSent: sent,
        bytesReceived: sent,
      });
      expect(connection.sinceUnixSecs).toBeGreaterThanOrEqual(startedSecs - 1);
      expect(connection.sinceUnixSecs).toBeLessThanOrEqual(Date.now() / 1000);
    }
    const incarnations = found.flat().map(({ incarnation }) => incarnation);
    expect(incarnations.filter((one) => one === incarnationOf(near))).toHaveLength(6);
    expect(incarnations.filter((one) => one === incarnationOf(far))).toHaveLength(1);
  });

  it('are listed by backend, and are gone when they have ended', async () => {
    const { connect, list, engine } = await anEngine(kind, 2);
    const clients = await Promise.all(Array.from({ length: 3 }, () => connect()));
    await Promise.all(clients.map((client) => exchange(client, 'hello')));
    expect(list({ backendId: 'near@home' }).items).toHaveLength(2);
    expect(list({ backendId: 'far' }).items).toHaveLength(1);
    expect(list({ backendId: 'near' }).items).toEqual([]);
    expect(list({ client: '127.0.0.1' }).items).toHaveLength(3);
    expect(list({ client: '127.0.0.2' }).items).toEqual([]);
    for (const client of clients) client.destroy();
    await until(() => engine.liveConnections === 0, { what: 'the clients to be gone' });
    expect(list()).toEqual({ items: [], next: null });
  });

  it('are listed without a backend while they wait for a place', async () => {
    const waits = { maxWaiting: 5, timeoutMs: 60_000 };
    const { connect, list } = await anEngine(kind, 1, { waits });
    const [first] = [await connect(), await connect()];
    const served = () => list().items.filter(({ state }) => state === 'connected');
    await until(() => served().length === 2, { what: 'two clients to have their places' });
    const third = await connect();
    const waiting = () => list().items.find(({ clientPort }) => clientPort === third.localPort);
    await until(() => waiting()?.state === 'waiting', { what: 'the third to wait' });
    expect(waiting()).toMatchObject({ incarnation: undefined, bytesSent: 0, bytesReceived: 0 });
    first.destroy();
    await until(() => waiting()?.state === 'connected', { what: 'the third to have its place' });
    await exchange(third, 'hello');
  });

  it('are none behind what no page has said', async () => {
    const { connect, list } = await anEngine(kind, 1);
    await exchange(await connect(), 'hello');
    for (const after of ['', 'x', '-1', '1e9', '0.99999999999', '9'.repeat(300)])
      expect(list({ after })).toEqual({ items: [], next: null });
  });
});
