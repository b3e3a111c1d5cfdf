import { closeSync, openSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Backend } from '../../src/domain/backend.ts';
import { aBackend } from '../support/backends.ts';
import { addonEngine, type EngineOptions, ffiEngine, type RunningEngine } from '../support/engines.ts';
import type { AskingOrders } from '../support/asking-thread.ts';
import { aKiller } from '../support/killer-client.ts';
import { KILLERS } from '../support/killers.ts';
import { startLoad } from '../support/load.ts';
import { sharedInts } from '../../src/proxy/shared-columns.ts';
import { startSilentPort } from '../support/silent-port.ts';
import { once, readAll, startTcpBackend, tcpConnect, type TcpBackend } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const THREADS = 3;
const MORTAL = new URL('../support/mortal-data-thread.ts', import.meta.url);
const UNLUCKY = new URL('../support/unlucky-data-thread.ts', import.meta.url);
const ASKING = new URL('../support/asking-thread.ts', import.meta.url);

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: object;
}

function aLog() {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields });
  return { lines, logger: { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') } };
}

async function aTcpBackend(onConnection: (socket: Socket) => void): Promise<TcpBackend> {
  const backend = await startTcpBackend(onConnection, { allowHalfOpen: true });
  onTestFinished(() => backend.close());
  return backend;
}

async function aSilentBackend(id: string): Promise<Backend> {
  const silent = await startSilentPort();
  onTestFinished(() => silent.close());
  return aBackend({ id, port: silent.port });
}

const echo = (socket: Socket): void => void socket.pipe(socket);

async function anEngine(
  backends: readonly Backend[],
  options: Partial<EngineOptions> = {},
): Promise<RunningEngine> {
  const running = await addonEngine.start(backends, { threads: THREADS, ...options });
  onTestFinished(() => running.engine.close(0));
  return running;
}

async function anEchoClient(port: number): Promise<Socket> {
  const client = await tcpConnect(port);
  onTestFinished(() => void client.destroy());
  client.write('hello');
  await once(client, 'data');
  return client;
}

const untilAlive = ({ engine }: RunningEngine, alive: number, deaths: number): Promise<unknown> =>
  until(() => engine.threads().alive === alive && engine.threads().deaths === deaths, {
    what: `${alive} threads after ${deaths} deaths`,
  });

describe.runIf(process.platform === 'linux')('the threads of an engine', () => {
  it('never exceed a hard limit together, as the backend counts', async () => {
    let peak = 0;
    const backend = await aTcpBackend((socket) => {
      peak = Math.max(peak, backend.sockets.length);
      echo(socket);
    });
    const { port, traffic } = await anEngine([aBackend({ port: backend.port, hardLimit: 7, softLimit: 2 })]);
    const clients = await Promise.all(Array.from({ length: 500 }, () => tcpConnect(port)));
    const ended = clients.map((client) => once(client.resume(), 'close'));
    await until(() => traffic.report().refused.all_full === 493, { what: 'all but seven to be refused' });
    await until(() => backend.sockets.length === 7, { what: 'the backend to have seen seven' });
    for (const client of clients) client.destroy();
    await Promise.all(ended);
    await until(() => traffic.report().backends[0]!.active === 0, { what: 'every place to be free' });
    expect(peak).toBe(7);
  });

  it('never have more trials under way than there are permits, and use each again', async () => {
    const waiting = new Set<Socket>();
    let peak = 0;
    const backend = await aTcpBackend((socket) => {
      waiting.add(socket);
      peak = Math.max(peak, waiting.size);
      socket.once('data', () =>
        setImmediate(() => {
          waiting.delete(socket);
          socket.end('answer');
        }),
      );
      socket.once('close', () => waiting.delete(socket));
    });
    const { port, applyGated, inForce, outcomes } = await anEngine([]);
    const gate = { epoch: 1, grant: 1, permits: 3 };
    applyGated([{ backend: aBackend({ port: backend.port, hardLimit: 0 }), gate }]);
    await until(() => inForce() === 2, { what: 'the set' });
    const answers: string[] = [];
    const ask = async (): Promise<void> => {
      const client = await tcpConnect(port);
      client.write('question');
      const answer = await readAll(client).catch(() => '');
      if (answer.length > 0) answers.push(answer.toString());
      client.destroy();
    };
    while (answers.length < 100) await Promise.all(Array.from({ length: 30 }, ask));
    expect(peak).toBe(3);
    await until(() => outcomes.filter(({ result }) => result === 'success').length === answers.length, {
      what: 'all to be told',
    });
    expect(outcomes.filter(({ result }) => result === 'trial')).toHaveLength(answers.length);
  });

  it('bring a client to one backend, whichever of them takes it', async () => {
    const named = async (id: string) => {
      const { port } = await aTcpBackend((socket) => socket.end(id));
      return aBackend({ id, port });
    };
    const { port } = await anEngine([await named('a'), await named('b'), await named('c')], {
      bindingTtlMs: 60_000,
    });
    for (const localAddress of ['127.0.0.2', '127.0.0.3', '127.0.0.4']) {
      const ask = async (): Promise<string> =>
        (await readAll(await tcpConnect(port, '127.0.0.1', { localAddress }))).toString();
      const first = await ask();
      const others = await Promise.all(Array.from({ length: 30 }, ask));
      expect(new Set(others)).toEqual(new Set([first]));
    }
  });

  it('serve clients while the main thread stands still', async () => {
    const orders: AskingOrders = { answers: sharedInts(2), times: 50 };
    const asking = new Worker(ASKING, { workerData: orders });
    const ended = once(asking, 'exit');
    const [backendPort] = await once(asking, 'message');
    const { port, inForce } = await anEngine([aBackend({ port: backendPort as number, hardLimit: 0 })]);
    await until(() => inForce() === 1, { what: 'the set' });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    asking.postMessage(port);
    expect(Atomics.wait(orders.answers, 1, 0, 20_000)).toBe('ok');
    expect(orders.answers[0]).toBe(orders.times);
    await ended;
  });

  it('leave the last descriptors to the rest of the process', async () => {
    const backend = await aTcpBackend(echo);
    const { lines, logger } = aLog();
    const lowestFree = openSync('/dev/null', 'r');
    closeSync(lowestFree);
    // The sockets of this test's own clients and backend are among them.
    const clientCeiling = lowestFree + 100;
    const { port, traffic } = await anEngine([aBackend({ port: backend.port, hardLimit: 0 })], {
      threads: 1,
      clientCeiling,
      logger,
    });
    const clients = await Promise.all(Array.from({ length: 60 }, () => tcpConnect(port)));
    onTestFinished(() => clients.forEach((client) => client.destroy()));
    await until(() => lines.some(({ message }) => message === 'clients have to wait, accepting is paused'), {
      what: 'the pause',
    });
    const { accepted } = traffic.report();
    expect(accepted).toBeLessThan(clients.length);
    for (const client of clients.splice(0, 30)) client.destroy();
    await until(() => traffic.report().accepted > accepted, { what: 'those who wait to be accepted' });
  });

  it('refuse a client whom the kernel has no room to watch, give its place back, and say why', async () => {
    const backend = await aTcpBackend((socket) => socket.end('served'));
    const { lines, logger } = aLog();
    const { port, traffic } = await anEngine([aBackend({ port: backend.port, hardLimit: 1 })], {
      threads: 1,
      module: UNLUCKY,
      logger,
    });
    expect((await readAll(await tcpConnect(port))).toString()).toBe('');
    await until(() => lines.length === 2, { what: 'the log' });
    expect(lines).toMatchObject([
      { message: 'cannot connect, the trouble is local', fields: { error: 'ENOSPC' } },
      { message: 'clients are refused', fields: { reason: 'local_error' } },
    ]);
    expect(traffic.report().refused.local_error).toBe(1);
    expect((await readAll(await tcpConnect(port))).toString()).toBe('served');
  });

  it('are not woken any more when they have ended, by a number that may be a file by then', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edgeproxy-test-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const running = await anEngine([aBackend()]);
    await running.engine.close(0);
    const files = await Promise.all(
      Array.from({ length: 50 }, (_, index) => open(join(folder, String(index)), 'w')),
    );
    running.apply([aBackend({ port: 2 })]);
    running.engine.cut('b1@127.0.0.1:9000');
    await running.engine.close(0);
    for (const file of files) {
      expect((await file.stat()).size).toBe(0);
      await file.close();
    }
  });

  it('keep no listener of the process for each of them', async () => {
    const before = process.listenerCount('exit');
    const { engine } = await anEngine([]);
    expect(process.listenerCount('exit')).toBe(before + 1);
    await engine.close(0);
    expect(process.listenerCount('exit')).toBe(before);
  });
});

describe.runIf(process.platform === 'linux')('a data thread that dies', () => {
  it('is logged and replaced; its connections are reset, its places freed, and nobody fails to connect', async () => {
    const backend = await aTcpBackend(echo);
    const { lines, logger } = aLog();
    const running = await anEngine([aBackend({ port: backend.port, hardLimit: 0 })], {
      module: MORTAL,
      logger,
    });
    const { port, engine, traffic } = running;
    const clients = await Promise.all(Array.from({ length: 30 }, () => anEchoClient(port)));
    const load = startLoad(4, async () => {
      const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
      client.end('served');
      return (await readAll(client)).toString();
    });
    await until(() => load.served > 50, { what: 'the load' });
    const killer = await aKiller(port);
    await until(() => killer.destroyed, { what: 'its reset' });
    await until(() => engine.threads().deaths === 1, { what: 'the death' });
    const servedThen = load.served;
    await untilAlive(running, THREADS, 1);
    await until(() => load.served > servedThen + 50, { what: 'clients to be served all the while' });
    await load.stop();

    // What was under way at that moment is reset; to connect never fails.
    expect(load.failures.length).toBeLessThanOrEqual(4);
    expect(load.failures.filter(({ reason }) => !reason.includes('ECONNRESET'))).toEqual([]);
    const died = lines.filter(({ level }) => level === 'error');
    expect(died).toMatchObject([
      {
        message: 'data thread has died, its connections are reset',
        fields: { thread: expect.any(Number), error: `killed by ${KILLERS.atOnce}` },
      },
    ]);
    const { connections } = died[0]!.fields as { readonly connections: number };
    const left = clients.filter(({ destroyed, errored }) => !destroyed && errored === null);
    expect(left.length).toBeLessThan(clients.length);
    expect(clients.length - left.length).toBeLessThanOrEqual(connections);
    await until(() => traffic.report().backends[0]!.active === left.length, {
      what: 'its places to be free',
    });
    // A place is free a moment before its client has ended.
    await until(() => engine.liveConnections === left.length, { what: 'its clients to have ended' });

    for (const client of left) client.end();
    await engine.drain();
    expect(traffic.report().backends[0]!.active).toBe(0);
    await expect(tcpConnect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('again and again, and each of them, leaves an engine that serves', async () => {
    const backend = await aTcpBackend((socket) => socket.end('served'));
    const running = await anEngine([aBackend({ port: backend.port, hardLimit: 5 })], { module: MORTAL });
    for (let death = 1; death <= 2 * THREADS; death++) {
      await aKiller(running.port);
      await until(() => running.engine.threads().deaths >= death, { what: `death ${death}` });
      expect((await readAll(await tcpConnect(running.port))).toString()).toBe('served');
    }
    await untilAlive(running, THREADS, 2 * THREADS);
    await until(() => running.traffic.report().backends[0]!.active === 0, { what: 'every place to be free' });
  });

  it('has told what it knew of backends, and is told of where it held permits', async () => {
    const refusing = await aTcpBackend(() => {});
    await refusing.close();
    const dark = await aSilentBackend('dark');
    const running = await anEngine([], { module: MORTAL, threads: 1 });
    const { engine, port, applyGated, inForce, outcomes } = running;
    const gate = { epoch: 7, grant: 1, permits: 1 };
    applyGated([{ backend: dark, gate }]);
    await until(() => inForce() === 2, { what: 'the first set' });
    const waiting = await tcpConnect(port);
    onTestFinished(() => void waiting.destroy());
    await until(() => outcomes.length === 1, { what: 'the trial' });
    const trial = { incarnation: `dark@127.0.0.1:${dark.port}`, epoch: 7, result: 'trial' };
    expect(outcomes).toEqual([trial]);
    applyGated([
      { backend: dark, gate },
      { backend: aBackend({ id: 'refusing', port: refusing.port }), gate: { ...gate, permits: undefined } },
    ]);
    await until(() => inForce() === 3, { what: 'the second set' });
    // Its first backend refuses, it asks for a second one, and that is the thread's end.
    await aKiller(port, KILLERS.late);
    await until(() => engine.threads().deaths === 1, { what: 'the death' });
    expect(outcomes.slice(1)).toMatchObject([{ result: 'failure', cause: 'refused' }, trial]);
  });

  it('is tried again when it cannot be started', async () => {
    const backend = await aTcpBackend((socket) => socket.end('served'));
    const { lines, logger } = aLog();
    let sent = 0;
    const luggage = {
      get weight() {
        if ([1, 2].includes(sent++)) throw new Error('too heavy');
        return 0;
      },
    };
    const running = await anEngine([aBackend({ port: backend.port })], {
      module: MORTAL,
      threads: 1,
      logger,
      luggage,
    });
    await aKiller(running.port);
    await untilAlive(running, 0, 1);
    expect((await readAll(await tcpConnect(running.port))).toString()).toBe('served');
    const failures = lines.filter(({ message }) => message === 'a data thread does not start');
    expect(failures).toMatchObject([
      { level: 'error', fields: { thread: 0, error: 'too heavy' } },
      { level: 'error', fields: { thread: 0, error: 'too heavy' } },
    ]);
  });

  it('all at once, makes clients wait until one is back', async () => {
    const backend = await aTcpBackend((socket) => socket.end('served'));
    const running = await anEngine([aBackend({ port: backend.port })], { module: MORTAL, threads: 1 });
    await aKiller(running.port);
    await until(() => running.engine.threads().alive === 0, { what: 'the death' });
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await readAll(await tcpConnect(running.port))).toString()),
    );
    expect(new Set(answers)).toEqual(new Set(['served']));
  });

  it('while the engine drains, is not waited for', async () => {
    const backend = await aTcpBackend(echo);
    const dark = await aSilentBackend('a-dark');
    const far = aBackend({ id: 'far', port: backend.port, region: 'eu' });
    const running = await anEngine([dark, far], { module: MORTAL });
    const { engine, port, apply, inForce } = running;
    await aKiller(port, KILLERS.late);
    await until(() => engine.liveConnections === 1, { what: 'the client to dial' });
    apply([far]);
    await until(() => inForce() === 2, { what: 'the set' });
    const client = await anEchoClient(port);
    const drained = engine.drain();
    await until(
      async () =>
        tcpConnect(port).then(
          (late) => void late.destroy(),
          () => true,
        ),
      {
        what: 'the listeners to be closed',
      },
    );
    engine.cut(`a-dark@127.0.0.1:${dark.port}`);
    await until(() => engine.threads().deaths === 1, { what: 'the death' });
    client.end();
    await drained;
    expect(engine.threads().alive).toBe(THREADS - 1);
    expect(engine.liveConnections).toBe(0);
  });

  it.each([addonEngine, ffiEngine])('before it is ready, makes the start fail ($name)', async ({ start }) => {
    const module = new URL('data:text/javascript,throw new Error("stillborn")');
    await expect(start([], { module })).rejects.toThrow('stillborn');
    await expect(start([], { module: new URL('data:text/javascript,process.exit(0)') })).rejects.toThrow(
      'the thread has ended',
    );
  });
});
