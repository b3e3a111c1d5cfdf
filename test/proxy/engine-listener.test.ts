import { createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aCrowd } from '../support/crowd.ts';
import { anEchoEngine } from '../support/echo-engine.ts';
import {
  addonEngine,
  type EngineKind,
  ENGINES,
  listenAt,
  netEngine,
  streamsEngine,
} from '../support/engines.ts';
import { HOLD } from '../support/hold.ts';
import {
  freePort,
  isServed,
  once,
  readAll,
  startTcpBackend,
  tcpConnect,
  untilRefused,
} from '../support/sockets.ts';
import { until } from '../support/until.ts';

/** More than a data thread accepts in a turn. */
const CROWD = 100;

const onLinux = process.platform === 'linux';

/** An engine with clients at its listener whom nobody has accepted; it may go on when it is let go. */
async function aCrowdedEngine(kind: EngineKind) {
  const hold = new Int32Array(new SharedArrayBuffer(4));
  const module = new URL('../support/held-data-thread.ts', import.meta.url);
  const running = await anEchoEngine(kind, { module, luggage: hold, threads: 1 });
  const crowd = await aCrowd(running.port, CROWD);
  let first: Socket | undefined;
  if (kind === addonEngine) {
    Atomics.store(hold, 0, HOLD.wanted);
    first = await running.connect();
    await until(() => Atomics.load(hold, 0) === HOLD.held, { what: 'the thread to hold' });
  }
  crowd.comeNow();
  const letGo = (): void => {
    Atomics.store(hold, 0, HOLD.none);
    Atomics.notify(hold, 0);
    first?.destroy();
  };
  return { ...running, crowd, letGo };
}

describe.runIf(onLinux).each([netEngine, streamsEngine, addonEngine])(
  'clients who wait at the listener of the $name engine',
  (kind) => {
    it('are served when it moves', async () => {
      const { engine, port, crowd, letGo } = await aCrowdedEngine(kind);
      const target = await freePort();
      const moved = listenAt(engine, target);
      letGo();
      expect((await moved).port).not.toBe(port);
      expect(await crowd.served).toBe(CROWD);
      await untilRefused(port);
    });

    it('are served when it drains, which is over when they have ended', async () => {
      const { engine, port, crowd, letGo, backend } = await aCrowdedEngine(kind);
      let isDrained = false;
      const drained = engine.drain().then(() => (isDrained = true));
      letGo();
      expect(await crowd.served).toBe(CROWD);
      await untilRefused(port);
      expect(isDrained).toBe(false);
      await backend.close();
      await drained;
    });

    it('are cut when it closes', async () => {
      const { engine, port, crowd, letGo } = await aCrowdedEngine(kind);
      const closed = engine.close(0);
      letGo();
      await closed;
      await crowd.served;
      await untilRefused(port);
      expect(engine.liveConnections).toBe(0);
    });
  },
);

describe.runIf(onLinux).each(ENGINES)('the listener of the $name engine', (kind) => {
  it('moves: it binds the new address, then accepts nobody at the old one, and keeps who is there', async () => {
    const { engine, enter, port } = await anEchoEngine(kind);
    const client = (await enter())!;
    const moved = await listenAt(engine, await freePort());
    expect(moved.port).not.toBe(port);
    await untilRefused(port);
    const other = (await enter(undefined, moved.port))!;
    for (const one of [client, other]) expect(await isServed(one)).toBe(true);
    const back = await listenAt(engine, port);
    await untilRefused(moved.port);
    expect([back.port, (await enter()) !== undefined]).toEqual([port, true]);
  });

  it('serves everybody who comes while it moves', async () => {
    const { engine, connect, port } = await anEchoEngine(kind);
    const moved = new AbortController();
    const moving = (async () => {
      for (let time = 0; time < 5; time++) await listenAt(engine, await freePort());
      moved.abort();
    })();
    const clients: Promise<boolean>[] = [];
    while (!moved.signal.aborted) {
      const client = await connect().catch(() => undefined);
      if (client === undefined) break;
      clients.push(isServed(client));
      await new Promise(setImmediate);
    }
    await moving;
    await untilRefused(port);
    expect(await Promise.all(clients)).toEqual(clients.map(() => true));
  });

  it('stays when the new address is taken, and says so', async () => {
    const { engine, enter } = await anEchoEngine(kind);
    const taken = await startTcpBackend(() => {});
    onTestFinished(() => taken.close());
    await expect(listenAt(engine, taken.port)).rejects.toMatchObject({
      code: 'ERR_LISTEN',
      message: expect.stringContaining(`127.0.0.1:${taken.port}`),
    });
    expect(await enter()).toBeDefined();
  });

  it('goes nowhere any more when it is to move and to stop at once', async () => {
    const { engine, port, enter } = await anEchoEngine(kind);
    const client = (await enter())!;
    const target = await freePort();
    const moved = listenAt(engine, target).catch((error: unknown) => error);
    const drained = engine.drain();
    await moved;
    await Promise.all([untilRefused(port), untilRefused(target)]);
    expect(await isServed(client)).toBe(true);
    client.destroy();
    await drained;
  });

  it('does not share a port with another program that would', async () => {
    const { engine, enter } = await anEchoEngine(kind);
    const stranger = createServer((socket) => socket.end('stranger'));
    stranger.listen({ host: '127.0.0.1', port: 0, reusePort: true });
    onTestFinished(() => void stranger.close());
    await once(stranger, 'listening');
    const { port } = stranger.address() as { readonly port: number };
    await expect(listenAt(engine, port)).rejects.toMatchObject({ code: 'ERR_LISTEN' });
    for (let time = 0; time < 8; time++)
      expect((await readAll(await tcpConnect(port))).toString()).toBe('stranger');
    expect(await enter()).toBeDefined();
  });
});

describe.runIf(onLinux)('the listener of the epoll engine', () => {
  it('moves from one address to all of them on the same port', async () => {
    const port = await freePort();
    const { engine, enter } = await anEchoEngine(addonEngine, { address: { host: '127.0.0.1', port } });
    const client = (await enter())!;
    await listenAt(engine, port, '0.0.0.0');
    const other = await tcpConnect(port, '127.0.0.5');
    onTestFinished(() => void other.destroy());
    expect([await isServed(client), await isServed(other)]).toEqual([true, true]);
  });
});
