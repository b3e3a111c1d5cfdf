import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Backend } from '../../src/domain/backend.ts';
import { aBackend } from '../support/backends.ts';
import { ENGINES, type EngineOptions, type RunningEngine } from '../support/engines.ts';
import { startSilentPort } from '../support/silent-port.ts';
import {
  freePort,
  once,
  readAll,
  startTcpBackend,
  tcpConnect,
  type TcpBackend,
  untilRefused,
} from '../support/sockets.ts';
import { until } from '../support/until.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function aTcpBackend(
  onConnection: (socket: Socket) => void,
  allowHalfOpen = true,
): Promise<TcpBackend> {
  const backend = await startTcpBackend(onConnection, { allowHalfOpen });
  cleanups.push(() => backend.close());
  return backend;
}

const at = ({ port }: { readonly port: number }, fields: Partial<Backend> = {}): Backend =>
  aBackend({ id: `b${port}`, port, ...fields });
/** Tried only after those of the own region. */
const farther = (backend: TcpBackend): Backend => at(backend, { region: 'eu' });
async function aNamedBackend(name: string): Promise<Backend> {
  return at(await aTcpBackend((socket) => socket.end(name)), { id: name });
}

const echo = (socket: Socket): void => void socket.pipe(socket);
/** How a connection ends for this peer: `FIN`, or the code of the error. */
async function endingOf(socket: Socket): Promise<string | undefined> {
  return once(socket.resume(), 'end').then(
    () => 'FIN',
    (error: NodeJS.ErrnoException) => error.code,
  );
}

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

describe.each(ENGINES)('$name engine', ({ start }) => {
  async function anEngine(
    backends: readonly Backend[],
    options: Partial<EngineOptions> = {},
  ): Promise<RunningEngine> {
    const running = await start(backends, options);
    cleanups.push(() => running.engine.close(0));
    return running;
  }

  describe('relay', () => {
    it('carries 64 MiB each way unchanged and counts every byte, while live and after the end', async () => {
      const backend = await aTcpBackend(echo);
      const { port, traffic } = await anEngine([at(backend)]);
      const data = randomBytes(64 * 1024 * 1024);
      const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
      const echoed = readAll(client);
      client.write(data);
      await until(() => client.bytesRead === data.length, { what: 'the whole echo', timeoutMs: 30_000 });
      const live = traffic.report();
      expect([live.bytesSent, live.bytesReceived]).toEqual([data.length, data.length]);
      expect(live.backends[0]).toMatchObject({ active: 1, connections: 1, bytesSent: data.length });
      client.end();
      expect(sha256(await echoed)).toBe(sha256(data));
      await until(() => traffic.report().active === 0, { what: 'the connection to be over' });
      expect(traffic.report()).toMatchObject({
        accepted: 1,
        bytesSent: data.length,
        bytesReceived: data.length,
      });
    });

    it('passes the FIN of the client on and still delivers the answer that comes after it', async () => {
      const backend = await aTcpBackend(async (socket) => {
        const question = await readAll(socket);
        socket.end(`you said ${question.toString()}`);
      });
      const { port } = await anEngine([at(backend)]);
      const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
      client.end('hello');
      expect((await readAll(client)).toString()).toBe('you said hello');
    });

    it('passes the FIN of the backend on and still delivers what the client sends after it', async () => {
      const received = Promise.withResolvers<string>();
      const backend = await aTcpBackend((socket) => {
        socket.end('first and last word');
        void readAll(socket).then((data) => received.resolve(data.toString()), received.reject);
      });
      const { port } = await anEngine([at(backend)]);
      const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
      expect((await readAll(client)).toString()).toBe('first and last word');
      client.end('noted');
      expect(await received.promise).toBe('noted');
    });

    it('passes a reset of the client on as a reset', async () => {
      const backend = await aTcpBackend(() => {});
      const { port } = await anEngine([at(backend)]);
      const client = await tcpConnect(port);
      client.write('x');
      const [socket] = await until(() => backend.sockets.length === 1 && backend.sockets, {
        what: 'the connection',
      });
      const ending = endingOf(socket!);
      client.resetAndDestroy();
      expect(await ending).toBe('ECONNRESET');
    });

    it('passes a reset of the backend on as a reset', async () => {
      const backend = await aTcpBackend((socket) => socket.once('data', () => socket.resetAndDestroy()));
      const { port, outcomes } = await anEngine([at(backend)]);
      const client = await tcpConnect(port);
      client.write('x');
      await expect(readAll(client)).rejects.toMatchObject({ code: 'ECONNRESET' });
      await until(() => outcomes.length === 1, { what: 'the outcome' });
      expect(outcomes[0]).toMatchObject({ result: 'failure', cause: 'reset' });
    });

    it('stops reading from a sender whose receiver has stopped', async () => {
      const backend = await aTcpBackend((socket) => socket.pause());
      const { port, traffic } = await anEngine([at(backend)]);
      const client = await tcpConnect(port);
      const chunk = Buffer.alloc(1024 * 1024);
      let offered = 0;
      const refill = (): void => {
        while (offered < 256 * chunk.length && client.write(chunk)) offered += chunk.length;
      };
      client.on('drain', refill);
      const before = process.memoryUsage().rss;
      refill();
      let last = -1;
      await until(
        () => {
          const [previous, now] = [last, traffic.report().bytesSent];
          last = now;
          return now > 0 && now === previous && client.writableNeedDrain;
        },
        { what: 'the flow to stop' },
      );
      expect(last).toBeLessThan(64 * 1024 * 1024);
      expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
      client.destroy();
    });
  });

  describe('routing on sockets', () => {
    it('shows the client nothing of a refused connect and charges it to its backend', async () => {
      const backend = await aTcpBackend(echo);
      const dead = aBackend({ id: 'a-dead', port: await freePort() });
      const { port, traffic, outcomes } = await anEngine([dead, farther(backend)]);
      const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
      client.end('ping');
      expect((await readAll(client)).toString()).toBe('ping');
      expect(outcomes[0]).toMatchObject({
        incarnation: `a-dead@127.0.0.1:${dead.port}`,
        result: 'failure',
        cause: 'refused',
      });
      const report = traffic.report();
      expect(report.backends.find(({ backendId }) => backendId === 'a-dead')).toMatchObject({
        errors: 1,
        active: 0,
      });
      expect(report.refused).toMatchObject({ connect_failed: 0 });
    });

    it('gives up after the attempts that are set, each with another backend', async () => {
      const dead = await Promise.all(
        ['a', 'b', 'c'].map(async (id) => aBackend({ id, port: await freePort() })),
      );
      const { port, outcomes, traffic } = await anEngine(dead, { connectAttempts: 2 });
      expect(await readAll(await tcpConnect(port))).toHaveLength(0);
      await until(() => outcomes.length === 2, { what: 'two outcomes' });
      const tried = new Set(outcomes.map(({ incarnation }) => incarnation));
      expect(tried.size).toBe(2);
      expect(traffic.report().refused.connect_failed).toBe(1);
    });

    it('goes on to the next backend when one does not answer the connect in time', async () => {
      const silent = await startSilentPort();
      cleanups.push(() => silent.close());
      const backend = await aTcpBackend(echo);
      const { port, outcomes } = await anEngine([at(silent, { id: 'a-silent' }), farther(backend)], {
        connectTimeoutMs: 150,
      });
      const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
      client.end('ping');
      expect((await readAll(client)).toString()).toBe('ping');
      expect(outcomes[0]).toMatchObject({ result: 'failure', cause: 'timeout' });
    });

    it('closes a client at once, without a byte, when there is no backend', async () => {
      const { port, traffic } = await anEngine([]);
      expect(await readAll(await tcpConnect(port))).toHaveLength(0);
      expect(traffic.report().refused.no_backend).toBe(1);
    });

    it('never exceeds a hard limit, as the backend itself counts, and frees every place', async () => {
      let peak = 0;
      const backend = await aTcpBackend((socket) => {
        peak = Math.max(peak, backend.sockets.length);
        socket.pipe(socket);
      });
      const { port, traffic } = await anEngine([at(backend, { hardLimit: 7, softLimit: 2 })]);
      const clients = await Promise.all(Array.from({ length: 200 }, () => tcpConnect(port)));
      const ended = clients.map((client) => once(client.resume(), 'close'));
      await until(() => traffic.report().refused.all_full === 193, { what: 'all but seven to be refused' });
      expect(traffic.report().backends[0]!.active).toBe(7);
      await until(() => backend.sockets.length === 7, { what: 'the backend to have seen them' });
      for (const client of clients) client.destroy();
      await Promise.all(ended);
      await until(() => traffic.report().backends[0]!.active === 0, { what: 'every place to be free' });
      expect(peak).toBe(7);
    });

    it('holds a backend that takes a request and leaves without a byte for failed, one that was asked nothing not', async () => {
      const backend = await aTcpBackend((socket) => socket.once('data', () => socket.end()));
      const { port, outcomes } = await anEngine([at(backend)]);
      const asking = await tcpConnect(port);
      asking.write('x');
      expect(await readAll(asking)).toHaveLength(0);
      await until(() => outcomes.length === 1, { what: 'the outcome' });
      expect(outcomes[0]).toMatchObject({ result: 'failure', cause: 'closed_before_first_byte' });
      const leaving = await aTcpBackend((socket) => socket.end());
      const second = await anEngine([at(leaving)]);
      expect(await readAll(await tcpConnect(second.port))).toHaveLength(0);
      await until(() => second.outcomes.length === 1, { what: 'the outcome' });
      expect(second.outcomes[0]).toMatchObject({ result: 'success' });
    });

    it('returns a client to its backend while the binding lasts', async () => {
      const { port } = await anEngine([await aNamedBackend('a'), await aNamedBackend('b')], {
        bindingTtlMs: 60_000,
      });
      const ask = async (): Promise<string> => (await readAll(await tcpConnect(port))).toString();
      const first = await ask();
      for (let round = 0; round < 20; round++) expect(await ask()).toBe(first);
    });
  });

  describe('uneasy peers', () => {
    it('releases everything when backends answer early and close while clients upload', async () => {
      const backend = await aTcpBackend((socket) => {
        socket.once('data', () => {
          socket.end('too large');
          setImmediate(() => socket.destroy());
        });
      });
      const { port, engine, traffic } = await anEngine([at(backend, { hardLimit: 0 })]);
      const uploads = Array.from({ length: 300 }, async () => {
        const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
        client.on('drain', () => client.write(Buffer.alloc(65_536)));
        client.write(Buffer.alloc(1_048_576));
        await endingOf(client);
        client.destroy();
      });
      await Promise.all(uploads);
      await until(() => engine.liveConnections === 0, { what: 'every connection to be released' });
      expect(traffic.report().backends[0]!.active).toBe(0);
      await engine.close(0);
    });

    it('holds an orderly end in return for the end of a client that only writes for a success', async () => {
      const backend = await aTcpBackend((socket) => void socket.resume().once('end', () => socket.end()));
      const { port, outcomes } = await anEngine([at(backend)]);
      const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
      client.end('a line of a log');
      expect(await endingOf(client)).toBe('FIN');
      await until(() => outcomes.length === 1, { what: 'the outcome' });
      expect(outcomes[0]).toMatchObject({ result: 'success' });
    });

    it('gives a client that is still dialling another backend when its own is cut, and charges nobody', async () => {
      const silent = await startSilentPort();
      cleanups.push(() => silent.close());
      const dark = at(silent, { id: 'a-dark' });
      const backend = await aTcpBackend(echo);
      const { port, engine, traffic, outcomes } = await anEngine([dark, farther(backend)]);
      const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
      client.end('ping');
      await until(
        () =>
          traffic.report().backends.some(({ backendId, active }) => backendId === 'a-dark' && active === 1),
        {
          what: 'the client to dial',
        },
      );
      engine.cut(`a-dark@127.0.0.1:${silent.port}`);
      expect((await readAll(client)).toString()).toBe('ping');
      expect(outcomes.filter(({ result }) => result === 'failure')).toEqual([]);
    });

    it('ends a client that is still dialling when it is closed, and dials nobody else for it', async () => {
      const silent = await startSilentPort();
      cleanups.push(() => silent.close());
      const backend = await aTcpBackend(echo);
      const { port, engine, traffic } = await anEngine([at(silent, { id: 'a-dark' }), farther(backend)]);
      const client = await tcpConnect(port);
      await until(() => engine.liveConnections === 1, { what: 'the client' });
      const ending = endingOf(client);
      await engine.close(0);
      expect(await ending).toBe('FIN');
      expect([backend.connections, traffic.activeClients()]).toEqual([0, 0]);
    });
  });

  it('relays over IPv6 on both sides', async () => {
    const backend = await startTcpBackend(echo, { host: '::1', allowHalfOpen: true });
    cleanups.push(() => backend.close());
    const { port } = await anEngine([at(backend, { host: '::1' })], { address: { host: '::1', port: 0 } });
    const client = await tcpConnect(port, '::1', { allowHalfOpen: true });
    client.end('ping');
    expect((await readAll(client)).toString()).toBe('ping');
  });

  it('takes IPv4 clients on the IPv6 address that stands for all', async () => {
    const backend = await aTcpBackend(echo);
    const { port } = await anEngine([at(backend)], { address: { host: '::', port: 0 } });
    const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
    client.end('ping');
    expect((await readAll(client)).toString()).toBe('ping');
  });

  describe('life of the engine', () => {
    it('drains: refuses new clients, lets live ones finish, then resolves', async () => {
      const backend = await aTcpBackend(echo);
      const { port, engine } = await anEngine([at(backend)]);
      const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
      client.write('one');
      await once(client, 'data');
      let isDrained = false;
      const drained = engine.drain().then(() => (isDrained = true));
      await untilRefused(port);
      expect(isDrained).toBe(false);
      client.end('two');
      expect((await readAll(client)).toString()).toBe('two');
      await drained;
      expect(engine.liveConnections).toBe(0);
    });

    it('closes live connections when told to', async () => {
      const backend = await aTcpBackend(echo);
      const { port, engine, traffic } = await anEngine([at(backend)]);
      const clients = await Promise.all(Array.from({ length: 25 }, () => tcpConnect(port)));
      await until(() => backend.sockets.length === 25, { what: 'all connections' });
      const endings = clients.map(endingOf);
      await engine.close(20);
      expect(new Set(await Promise.all(endings))).toEqual(new Set(['ECONNRESET']));
      expect(traffic.activeClients()).toBe(0);
    });

    it('names the address and what to do when it cannot listen', async () => {
      const { port } = await anEngine([]);
      await expect(start([], { address: { host: '127.0.0.1', port } })).rejects.toMatchObject({
        code: 'ERR_LISTEN',
        message: `EDGEPROXY_LISTEN_ADDR: cannot listen on 127.0.0.1:${port}: another process has that port; stop it or choose another port`,
      });
    });
  });
});
