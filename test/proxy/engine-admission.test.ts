import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Backend } from '../../src/domain/backend.ts';
import { aBackend } from '../support/backends.ts';
import { addonEngine, ENGINES, type EngineKind, type EngineOptions } from '../support/engines.ts';
import { KILLERS } from '../support/killers.ts';
import { once, readAll, startTcpBackend, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const MORTAL = new URL('../support/mortal-data-thread.ts', import.meta.url);
const NO_LIMIT = { maxConnections: 0, maxPerClient: 0, ipv6Prefix: 64 };
const PATIENT = { maxWaiting: 1_000, timeoutMs: 60_000 };

/** A backend that greets whoever comes, and an engine before it. */
async function anEdge(kind: EngineKind, fields: Partial<Backend>, options: Partial<EngineOptions>) {
  let [serving, peak] = [0, 0];
  const manners = { greets: true };
  const backend = await startTcpBackend(
    (socket) => {
      peak = Math.max(peak, ++serving);
      socket.resume().on('end', () => {
        serving--;
        socket.end();
      });
      if (manners.greets) socket.write('hello');
    },
    { allowHalfOpen: true },
  );
  onTestFinished(() => backend.close());
  const row = aBackend({ port: backend.port, hardLimit: 0, ...fields });
  const running = await kind.start([row], options);
  onTestFinished(() => running.engine.close(0));
  const connect = async (localAddress?: string): Promise<Socket> => {
    const client = await tcpConnect(running.port, '127.0.0.1', localAddress ? { localAddress } : {});
    onTestFinished(() => void client.destroy());
    return client.on('error', () => {});
  };
  return {
    ...running,
    backend,
    manners,
    connect,
    peak: () => peak,
    /** A client that has been greeted. */
    served: async (localAddress?: string): Promise<Socket> => {
      const client = await connect(localAddress);
      await once(client, 'data');
      return client;
    },
    /** What a client hears before the end. */
    heard: async (localAddress?: string): Promise<string> =>
      (await readAll(await connect(localAddress))).toString(),
    waiting: (count: number) =>
      until(() => running.traffic.report().waiting === count, { what: `${count} to wait` }),
  };
}

async function leave(client: Socket): Promise<void> {
  const closed = once(client.resume(), 'close');
  client.end();
  await closed;
}

describe.each(ENGINES)('$name engine, with limits', (kind) => {
  it('refuses who comes beside as many clients as may be connected', async () => {
    const limits = { ...NO_LIMIT, maxConnections: 3 };
    const { served, heard, traffic } = await anEdge(kind, {}, { limits });
    const clients = [await served(), await served(), await served()];
    expect(await heard()).toBe('');
    expect(traffic.report().refused.max_connections).toBe(1);
    await leave(clients[0]!);
    await until(() => traffic.report().active === 2, { what: 'one to have left' });
    await served();
    expect(await heard()).toBe('');
    await until(() => traffic.report().active === 3, { what: 'the refused one to be gone' });
    expect(traffic.report()).toMatchObject({ accepted: 6, refused: { max_connections: 2 } });
  });

  it('counts a storm exactly, and forgets it', async () => {
    const limits = { ...NO_LIMIT, maxConnections: 20 };
    const { connect, traffic, backend } = await anEdge(kind, {}, { limits, threads: 3 });
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect()));
    const ended = clients.map((client) => once(client.resume(), 'close').catch(() => {}));
    await until(() => traffic.report().refused.max_connections === 180, { what: 'all but 20 to be refused' });
    await until(() => backend.sockets.length === 20, { what: 'the others to be served' });
    for (const client of clients) client.destroy();
    await Promise.all(ended);
    await until(() => traffic.report().active === 0, { what: 'all to have left' });
    expect(traffic.report().refused).toMatchObject({ max_connections: 180, max_connections_per_client: 0 });
  });

  it.runIf(process.platform === 'linux')('refuses a client that has enough, and no other', async () => {
    const limits = { ...NO_LIMIT, maxPerClient: 2 };
    const { served, heard, traffic } = await anEdge(kind, {}, { limits });
    const first = await served('127.0.0.2');
    await served('127.0.0.2');
    expect(await heard('127.0.0.2')).toBe('');
    await served('127.0.0.3');
    await leave(first);
    await until(() => traffic.report().active === 2, { what: 'one to have left' });
    await served('127.0.0.2');
    expect(traffic.report().refused).toMatchObject({ max_connections: 0, max_connections_per_client: 1 });
  });
});

describe.each(ENGINES)('$name engine, with a queue', (kind) => {
  const full = { hardLimit: 1 };

  it('has clients wait for a place, and serves them in the order in which they came', async () => {
    const { served, connect, traffic, waiting } = await anEdge(kind, full, { waits: PATIENT, threads: 3 });
    let current = await served();
    const order: number[] = [];
    const clients: Socket[] = [];
    for (let index = 0; index < 6; index++) {
      const client = await connect();
      client.once('data', () => order.push(index));
      clients.push(client);
      await waiting(index + 1);
    }
    for (const [index, client] of clients.entries()) {
      await leave(current);
      await until(() => order.length === index + 1, { what: `client ${index} to be served` });
      current = client;
    }
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
    expect(traffic.report()).toMatchObject({ queued: 6, waiting: 0, refused: { all_full: 0 } });
  });

  it('refuses who comes when so many wait already', async () => {
    const { served, connect, heard, traffic, waiting } = await anEdge(kind, full, {
      waits: { ...PATIENT, maxWaiting: 2 },
    });
    await served();
    await Promise.all([connect(), connect()]);
    await waiting(2);
    expect(await heard()).toBe('');
    expect(traffic.report()).toMatchObject({ waiting: 2, refused: { all_full: 1, queue_timeout: 0 } });
  });

  it('refuses who has waited too long', async () => {
    const { served, heard, traffic } = await anEdge(kind, full, { waits: { ...PATIENT, timeoutMs: 200 } });
    await served();
    expect(await Promise.all([heard(), heard()])).toEqual(['', '']);
    await until(() => traffic.report().active === 1, { what: 'both to be gone' });
    expect(traffic.report()).toMatchObject({ queued: 2, waiting: 0, refused: { queue_timeout: 2 } });
  });

  it('serves a storm, one after the other, and never more at a time than the backend may have', async () => {
    const { traffic, peak, served } = await anEdge(kind, { hardLimit: 5 }, { waits: PATIENT, threads: 3 });
    await Promise.all(Array.from({ length: 200 }, async () => leave(await served())));
    expect(peak()).toBeLessThanOrEqual(5);
    await until(() => traffic.report().active === 0, { what: 'all to have left' });
    expect(traffic.report()).toMatchObject({ waiting: 0, backends: [{ active: 0, connections: 200 }] });
  });

  it('refuses those who wait when no backend is left', async () => {
    const { served, connect, apply, traffic, waiting } = await anEdge(kind, full, { waits: PATIENT });
    await served();
    const waiter = await connect();
    await waiting(1);
    const ended = readAll(waiter);
    apply([]);
    expect((await ended).toString()).toBe('');
    expect(traffic.report()).toMatchObject({ waiting: 0, refused: { no_backend: 1 } });
  });

  it('offers them a place that a new set brings', async () => {
    const { served, connect, apply, backend, waiting } = await anEdge(kind, full, { waits: PATIENT });
    await served();
    const waiter = await connect();
    await waiting(1);
    apply([aBackend({ port: backend.port, hardLimit: 2 })]);
    const [greeting] = await once(waiter, 'data');
    expect(String(greeting)).toBe('hello');
    await waiting(0);
  });

  it('goes on when the only backend is half-open and its trial is under way, and the first is bound to it', async () => {
    const { served, connect, applyGated, backend, manners, inForce, waiting } = await anEdge(
      kind,
      { hardLimit: 2 },
      { waits: PATIENT, bindingTtlMs: 60_000 },
    );
    await leave(await served());
    const row = aBackend({ port: backend.port, hardLimit: 2 });
    const halfOpen = { epoch: 2, grant: 2, permits: 1 };
    applyGated([{ backend: row, gate: halfOpen }]);
    await until(() => inForce() === 2, { what: 'the circuit to be half-open' });
    manners.greets = false;
    const trial = await connect();
    await until(() => backend.sockets.length === 1, { what: 'the trial' });
    const waiter = await connect();
    const greeted = once(waiter, 'data');
    await waiting(1);
    manners.greets = true;
    // Has the first look for a place again, in vain.
    applyGated([{ backend: row, gate: halfOpen }]);
    await until(() => inForce() === 3, { what: 'the same set once more' });
    applyGated([{ backend: row, gate: { epoch: 3, grant: 3, permits: undefined } }]);
    await greeted;
    await waiting(0);
    trial.destroy();
    await until(() => inForce() === 4, { what: 'the circuit to be closed' });
    expect(backend.connections).toBe(3);
  });

  it('ends them when it closes, and waits for them while it drains', async () => {
    const { served, connect, engine, waiting } = await anEdge(kind, full, { waits: PATIENT });
    const current = await served();
    const [second, third] = [await connect(), await connect()];
    await waiting(2);
    const drained = engine.drain();
    const greeted = Promise.race([second, third].map((client) => once(client, 'data')));
    await leave(current);
    await greeted;
    const ended = [second, third].map((client) => once(client.resume(), 'close').catch(() => {}));
    await engine.close(0);
    await Promise.all([...ended, drained]);
    expect(engine.liveConnections).toBe(0);
  });
});

// By streams, a client that leaves while it waits is noticed when its turn comes.
describe.each(ENGINES.filter(({ name }) => name !== 'net, streams'))(
  '$name engine, when a client that waits leaves',
  (kind) => {
    it('lets go of it at once, and refuses nobody', async () => {
      const edge = await anEdge(kind, { hardLimit: 1 }, { waits: PATIENT });
      const { served, connect, traffic, waiting } = edge;
      const current = await served();
      const leaving = await connect();
      const staying = await connect();
      await waiting(2);
      leaving.resetAndDestroy();
      await waiting(1);
      await leave(current);
      await once(staying, 'data');
      expect(traffic.report()).toMatchObject({ queued: 2, waiting: 0, refused: { queue_timeout: 0 } });
    });
  },
);

describe.runIf(process.platform === 'linux')('a data thread that dies', () => {
  it('gives back what limits and the queue have counted for it', async () => {
    const { served, connect, engine, traffic, waiting } = await anEdge(
      addonEngine,
      { hardLimit: 2 },
      {
        threads: 1,
        module: MORTAL,
        waits: PATIENT,
        limits: { ...NO_LIMIT, maxConnections: 4, maxPerClient: 4 },
      },
    );
    const [leaving] = await Promise.all([served(), served()]);
    await connect();
    await waiting(1);
    await connect(KILLERS.atOnce);
    await waiting(2);
    // One place for the first of those who wait, and then it is the killer's turn.
    leaving.end();
    await until(() => engine.threads().deaths === 1, { what: 'the death' });
    await until(() => traffic.report().waiting === 0, { what: 'nobody to wait' });
    await until(() => engine.threads().alive === 1, { what: 'another thread' });
    await Promise.all([served(), served()]);
    expect(traffic.report().refused).toMatchObject({ max_connections: 0, max_connections_per_client: 0 });
  });
});
