import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ProxyListener } from '../../src/domain/ports.ts';
import { aBackend } from '../support/backends.ts';
import { addonEngine, ENGINES, type EngineKind, type EngineOptions } from '../support/engines.ts';
import { aKiller } from '../support/killer-client.ts';
import { silentLogger } from '../support/proxy.ts';
import { once, startTcpBackend, tcpConnect, untilRefused } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const SETTING = 'EDGEPROXY_LISTEN_ADDR';
const ANYWHERE = { host: '127.0.0.1', port: 0 };

function listener(app?: string, address = ANYWHERE): ProxyListener {
  return { setting: SETTING, address, app };
}

/** A server that says its name at once, and hangs up when its client does. */
async function aNamedBackend(name: string) {
  const backend = await startTcpBackend((socket) => void socket.resume().write(name));
  onTestFinished(() => backend.close());
  return backend;
}

/** An engine with these backends, each named by its id, at listeners of these apps. */
async function anEngine(
  kind: EngineKind,
  rows: readonly { readonly id: string; readonly app: string; readonly hardLimit?: number }[],
  apps: readonly (string | undefined)[],
  options: Partial<EngineOptions> = {},
) {
  const backends = await Promise.all(
    rows.map(async ({ id, app, hardLimit = 0 }) => {
      const { port } = await aNamedBackend(id);
      return aBackend({ id, app, hardLimit, port });
    }),
  );
  const running = await kind.start(backends, { ...options, app: apps[0] });
  onTestFinished(() => running.engine.close(0));
  const first = listener(apps[0]);
  const addresses = await running.engine.listen([first, ...apps.slice(1).map((app) => listener(app))]);
  const ports = addresses.map(({ port }) => port);
  expect(ports[0]).toBe(running.port);
  return { ...running, backends, ports };
}

async function connect(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  const client = await tcpConnect(port, '127.0.0.1', { localAddress });
  onTestFinished(() => void client.destroy());
  return client;
}

/** Who answers a client, nothing when it is refused; it stays. */
async function answer(client: Socket): Promise<string> {
  const ended = once(client, 'close').then(() => '');
  const said = once(client, 'data').then(([bytes]) => String(bytes));
  return Promise.race([said, ended]).catch(() => '');
}

const ask = async (port: number, localAddress?: string): Promise<string> =>
  answer(await connect(port, localAddress));

/** The answers of so many clients that stay, each name once. */
async function names(port: number, times = 8): Promise<readonly string[]> {
  const answers = new Set<string>();
  for (let time = 0; time < times; time++) answers.add(await ask(port));
  return [...answers].toSorted();
}

const PAIR = [
  { id: 'web-1', app: 'web' },
  { id: 'web-2', app: 'web' },
  { id: 'db-1', app: 'db' },
];

describe.runIf(process.platform === 'linux').each(ENGINES)('$name engine with several apps', (kind) => {
  it('shows of each client the app that it has come for', async () => {
    const { ports, engine } = await anEngine(kind, PAIR, [undefined, 'web', 'db']);
    const clients = await Promise.all(ports.map((port) => connect(port)));
    await Promise.all(clients.map(answer));
    const { items } = engine.connections({ limit: 10 });
    const appOf = ({ localPort }: Socket) => items.find(({ clientPort }) => clientPort === localPort)!.app;
    expect(clients.map(appOf)).toEqual([undefined, 'web', 'db']);
  });

  it('gives the clients of each listener the backends of its app, and those of none every one', async () => {
    const { ports, backends, apply, inForce } = await anEngine(kind, PAIR, [undefined, 'web', 'db', 'mail']);
    expect(await names(ports[0]!)).toEqual(['db-1', 'web-1', 'web-2']);
    expect(await names(ports[1]!)).toEqual(['web-1', 'web-2']);
    expect(await names(ports[2]!)).toEqual(['db-1']);
    expect(await names(ports[3]!)).toEqual(['']);
    const before = inForce();
    apply(backends.map((backend) => ({ ...backend, app: backend.id === 'web-1' ? 'mail' : backend.app })));
    await until(() => inForce() > before, { what: 'the backend to be another app’s' });
    expect(await names(ports[3]!)).toEqual(['web-1']);
    expect(await names(ports[1]!)).toEqual(['web-2']);
  });

  it('refuses the clients of an app whose backends are full, or gone, and no others', async () => {
    const rows = [
      { id: 'web-1', app: 'web', hardLimit: 1 },
      { id: 'db-1', app: 'db' },
    ];
    const { ports, traffic } = await anEngine(kind, rows, ['web', 'db', 'mail']);
    expect([await ask(ports[0]!), await ask(ports[0]!)]).toEqual(['web-1', '']);
    expect([await ask(ports[1]!), await ask(ports[2]!)]).toEqual(['db-1', '']);
    expect(traffic.report().refused).toMatchObject({ all_full: 1, no_backend: 1, connect_failed: 0 });
  });

  it('tries only backends of the app when one fails', async () => {
    const { ports, backends, apply, traffic } = await anEngine(kind, PAIR, ['web', 'db']);
    const gone = await aNamedBackend('gone');
    await gone.close();
    apply(backends.map((row) => ({ ...row, port: row.id === 'db-1' ? gone.port : row.port })));
    await until(async () => (await ask(ports[1]!)) === '', { what: 'a refusal' });
    expect(traffic.report().refused).toMatchObject({ connect_failed: 1 });
    expect(await names(ports[0]!)).toEqual(['web-1', 'web-2']);
  });

  it('has clients wait for their own app alone', async () => {
    const rows = [
      { id: 'web-1', app: 'web', hardLimit: 1 },
      { id: 'db-1', app: 'db', hardLimit: 1 },
    ];
    const { ports, traffic } = await anEngine(kind, rows, ['web', 'db'], {
      waits: { maxWaiting: 2, timeoutMs: 60_000 },
    });
    const served = await connect(ports[0]!);
    expect(await answer(served)).toBe('web-1');
    const waiting = await connect(ports[0]!);
    await until(() => traffic.report().waiting === 1, { what: 'one to wait' });
    // Somebody waits, and not for this.
    const other = await connect(ports[1]!);
    expect(await answer(other)).toBe('db-1');
    other.destroy();
    await until(async () => (await ask(ports[1]!)) === 'db-1', { what: 'the place to be free again' });
    served.destroy();
    expect(await answer(waiting)).toBe('web-1');
    expect(traffic.report().waiting).toBe(0);
  });

  it('gives a place to who waits for its app, whichever listener it was taken by and in whichever thread', async () => {
    const apps = ['a', 'b', 'c', 'd', 'e', 'f'];
    const rows = apps.map((app) => ({ id: app, app, hardLimit: 1 }));
    const { ports, traffic } = await anEngine(kind, rows, [undefined, ...apps], {
      waits: { maxWaiting: apps.length, timeoutMs: 60_000 },
      threads: 2,
    });
    const holders = new Map<string, Socket>();
    for (let time = 0; time < apps.length; time++) {
      const holder = await connect(ports[0]!);
      holders.set(await answer(holder), holder);
    }
    const waiters = await Promise.all(ports.slice(1).map((port) => connect(port)));
    await until(() => traffic.report().waiting === apps.length, { what: 'all to wait' });
    for (const [index, app] of apps.entries()) {
      holders.get(app)!.destroy();
      expect(await answer(waiters[index]!)).toBe(app);
    }
  });

  it('remembers for each app where a client address was', async () => {
    const rows = [...PAIR, { id: 'db-2', app: 'db' }];
    const { ports } = await anEngine(kind, rows, ['web', 'db', undefined], { bindingTtlMs: 60_000 });
    const [web, db, any] = await Promise.all(ports.map((port) => ask(port)));
    for (let time = 0; time < 4; time++)
      expect([await ask(ports[0]!), await ask(ports[1]!), await ask(ports[2]!)]).toEqual([web, db, any]);
  });

  it('takes other listeners over: binds what is new, keeps what stays, closes what is gone', async () => {
    const { ports, engine, port } = await anEngine(kind, PAIR, [undefined, 'web']);
    const live = await connect(ports[1]!);
    const name = await answer(live);
    const [main, db] = await engine.listen([
      listener('db'),
      listener('db', { ...ANYWHERE, host: '127.0.0.2' }),
    ]);
    expect(main!.port).toBe(port);
    await untilRefused(ports[1]!);
    expect(await names(port)).toEqual(['db-1']);
    const client = await tcpConnect(db!.port, '127.0.0.2');
    onTestFinished(() => void client.destroy());
    expect(await answer(client)).toBe('db-1');
    live.end('bye');
    expect(['web-1', 'web-2']).toContain(name);
  });

  it('lets a listener go by the server name, and by its app again', async () => {
    const { ports, engine, port } = await anEngine(kind, PAIR, [undefined]);
    await engine.listen([{ ...listener(), goesByServerName: true }]);
    const unnamed = await connect(port);
    unnamed.end('no greeting');
    expect(await answer(unnamed)).toBe('');
    await engine.listen([listener()]);
    expect(await names(ports[0]!)).toEqual(['db-1', 'web-1', 'web-2']);
  });

  it('keeps all listeners when one of those that are new cannot be bound', async () => {
    const { ports, engine } = await anEngine(kind, PAIR, ['web', 'db']);
    const taken = await startTcpBackend(() => {});
    onTestFinished(() => taken.close());
    const wanted = [
      listener('db'),
      listener('web', { ...ANYWHERE, host: '127.0.0.3' }),
      { ...listener('db', { ...ANYWHERE, port: taken.port }), setting: 'routes[1].listen_addr' },
    ];
    await expect(engine.listen(wanted)).rejects.toMatchObject({
      code: 'ERR_LISTEN',
      message: expect.stringContaining(`routes[1].listen_addr: cannot listen on 127.0.0.1:${taken.port}`),
    });
    expect([await names(ports[0]!), await names(ports[1]!)]).toEqual([['web-1', 'web-2'], ['db-1']]);
  });

  it('stops all of them when it drains', async () => {
    const { ports, engine } = await anEngine(kind, PAIR, ['web', 'db']);
    const clients = await Promise.all(ports.map((port) => connect(port)));
    await Promise.all(clients.map((client) => answer(client)));
    const drained = engine.drain();
    for (const port of ports) await untilRefused(port);
    for (const client of clients) client.destroy();
    await drained;
    expect(engine.liveConnections).toBe(0);
  });
});

describe.runIf(process.platform === 'linux')('epoll engine with several apps', () => {
  it('has a thread that takes the place of a dead one accept for them as well', async () => {
    const module = new URL('../support/mortal-data-thread.ts', import.meta.url);
    const { ports, engine } = await anEngine(addonEngine, PAIR, ['web', 'db'], {
      module,
      threads: 1,
      logger: silentLogger,
    });
    await aKiller(ports[0]!);
    await until(() => engine.threads().deaths === 1 && engine.threads().alive === 1, {
      what: 'another thread',
    });
    expect([await names(ports[0]!), await names(ports[1]!)]).toEqual([['web-1', 'web-2'], ['db-1']]);
  });
});
