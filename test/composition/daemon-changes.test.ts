import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aNamedBackend, anEchoBackend, anEchoClient, ask, exchange, untilAnswered } from '../support/edge.ts';
import { countryRecord, writeMmdb } from '../support/mmdb.ts';
import { anOwnDaemon } from '../support/own-daemon.ts';
import { freePort, httpGet, once, untilRefused } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

/** A port that somebody else listens at. */
async function aTakenPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return (server.address() as { readonly port: number }).port;
}

describe('a daemon that is to move its listeners', () => {
  it('keeps each that cannot be bound where it is, and takes the rest of the change over', async () => {
    const backend = await anEchoBackend();
    const daemon = await anOwnDaemon({ backends: [{ id: 'a', port: backend.port, more: 'hard_limit = 0' }] });
    const client = await anEchoClient(daemon.port);
    const taken = `127.0.0.1:${await aTakenPort()}`;
    const { refused, settings } = await daemon.change({
      env: {
        EDGEPROXY_LISTEN_ADDR: taken,
        EDGEPROXY_METRICS_LISTEN_ADDR: taken.replace('127.0.0.1', '127.0.0.2'),
        EDGEPROXY_ADMIN_ENABLED: 'true',
        EDGEPROXY_ADMIN_LISTEN_ADDR: taken.replace('127.0.0.1', '127.0.0.3'),
        EDGEPROXY_MAX_CONNECTIONS: '2',
      },
    });
    expect(refused).toEqual([{ key: 'listen_addr', reason: expect.stringMatching(`listen_addr.*${taken}`) }]);
    expect(settings).toMatchObject({ listen_addr: '127.0.0.1:0', max_connections: 2 });
    await exchange(client, 'still here');
    await anEchoClient(daemon.port);
    expect(await ask(daemon.port)).toBe('');
  });

  it('tries again with the next change', async () => {
    const backend = await aNamedBackend('one');
    const daemon = await anOwnDaemon({ backends: [{ id: 'a', port: backend.port }] });
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { readonly port: number };
    const env = { EDGEPROXY_LISTEN_ADDR: `127.0.0.1:${port}` };
    expect((await daemon.change({ env })).refused).toHaveLength(1);
    other.close();
    await once(other, 'close');
    expect((await daemon.change({ env })).refused).toEqual([]);
    expect(await ask(port)).toBe('one');
  });

  it('does not move once it drains', async () => {
    const backend = await anEchoBackend();
    const daemon = await anOwnDaemon({ backends: [{ id: 'a', port: backend.port }] });
    await anEchoClient(daemon.port);
    daemon.daemon.stop();
    const { refused } = await daemon.change({ env: { EDGEPROXY_LISTEN_ADDR: '127.0.0.2:0' } });
    expect(refused).toEqual([{ key: 'listen_addr', reason: 'the daemon accepts no clients any more' }]);
  });
});

describe('listeners that want addresses of each other', () => {
  /** A daemon with all listeners at fixed ports; `at` gives the variables that put them at others. */
  async function aDaemonAt() {
    const ports = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    const at = (proxy: number, metrics: number, admin: number) => ({
      EDGEPROXY_LISTEN_ADDR: `127.0.0.1:${ports[proxy]}`,
      EDGEPROXY_METRICS_LISTEN_ADDR: `127.0.0.1:${ports[metrics]}`,
      EDGEPROXY_ADMIN_ENABLED: 'true',
      EDGEPROXY_ADMIN_LISTEN_ADDR: `127.0.0.1:${ports[admin]}`,
    });
    const backend = await aNamedBackend('one');
    const backends = [{ id: 'a', port: backend.port }];
    const daemon = await anOwnDaemon({ env: at(0, 1, 2), backends });
    /** What answers at each of the ports. */
    const answers = () =>
      Promise.all(
        ports.map(async (port) => {
          for (const [name, path] of [
            ['metrics', '/healthz'],
            ['admin', '/inspect'],
          ] as const)
            if (
              await httpGet(port, path).then(
                ({ status }) => status === 200,
                () => false,
              )
            )
              return name;
          return (await ask(port).catch(() => 'nobody')) === 'one' ? 'proxy' : 'nobody';
        }),
      );
    return { daemon, ports, at, answers };
  }

  it('move one after the other, each once its new address is free', async () => {
    const { daemon, at, answers } = await aDaemonAt();
    expect(await answers()).toEqual(['proxy', 'metrics', 'admin', 'nobody']);
    expect((await daemon.change({ env: at(0, 2, 3) })).refused).toEqual([]);
    expect(await answers()).toEqual(['proxy', 'nobody', 'metrics', 'admin']);
    expect((await daemon.change({ env: at(2, 3, 1) })).refused).toEqual([]);
    expect(await answers()).toEqual(['nobody', 'admin', 'proxy', 'metrics']);
  });

  it('all stay where each wants that of another one', async () => {
    const { daemon, at, answers } = await aDaemonAt();
    const { settings, refused } = await daemon.change({ env: { ...at(1, 2, 0), EDGEPROXY_QUEUE_MAX: '7' } });
    expect(refused).toEqual([]);
    expect(settings).toMatchObject({
      queue: { max: 7 },
      listen_addr: at(0, 1, 2).EDGEPROXY_LISTEN_ADDR,
      metrics: { listen_addr: at(0, 1, 2).EDGEPROXY_METRICS_LISTEN_ADDR },
    });
    expect(await answers()).toEqual(['proxy', 'metrics', 'admin', 'nobody']);
  });

  it('stay where the one whose address they want has to stay, and move with it later', async () => {
    const { daemon, ports, at, answers } = await aDaemonAt();
    const stranger = createServer().listen(ports[3], '127.0.0.1');
    await once(stranger, 'listening');
    const { settings, refused } = await daemon.change({ env: at(0, 2, 3) });
    expect(refused).toEqual([
      { key: 'admin.listen_addr', reason: expect.stringContaining('another process listens there') },
      { key: 'metrics.listen_addr', reason: 'another listener of this daemon keeps that address' },
    ]);
    expect(settings.metrics.listen_addr).toBe(at(0, 1, 2).EDGEPROXY_METRICS_LISTEN_ADDR);
    stranger.close();
    await once(stranger, 'close');
    expect(await answers()).toEqual(['proxy', 'metrics', 'admin', 'nobody']);
    expect((await daemon.change({})).refused).toEqual([]);
    expect(await answers()).toEqual(['proxy', 'nobody', 'metrics', 'admin']);
  });
});

describe('a daemon that is told to stop while it moves', () => {
  it.each([0, 1, 2, 3, 4, 6, 8, 12])('ends, and listens nowhere any more (%i turns later)', async (turns) => {
    const backend = await aNamedBackend('one');
    const daemon = await anOwnDaemon({ backends: [{ id: 'a', port: backend.port }] });
    const port = await freePort();
    const changed = daemon.change({ env: { EDGEPROXY_LISTEN_ADDR: `127.0.0.1:${port}` } });
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    daemon.daemon.stop();
    await changed;
    expect(await daemon.daemon.stopped).toBe('released');
    await Promise.all([untilRefused(port), untilRefused(daemon.port)]);
  });
});

describe('a daemon that is told to reload', () => {
  it('reads the GeoIP database again, and keeps the last one when that is broken', async () => {
    const path = `${await temporaryFolder()}/country.mmdb`;
    const write = (country: string): Promise<void> =>
      writeFile(path, writeMmdb({ networks: { '127.0.0.0/8': countryRecord(country) } }));
    await write('PT');
    const [one, other] = [await aNamedBackend('one'), await aNamedBackend('other')];
    const daemon = await anOwnDaemon({
      env: { EDGEPROXY_GEOIP_PATH: path },
      backends: [
        { id: 'one', port: one.port, more: 'region = "eu"\ncountry = "PT"' },
        { id: 'other', port: other.port, more: 'region = "eu"\ncountry = "DE"' },
      ],
    });
    expect(await ask(daemon.port)).toBe('one');
    await write('DE');
    expect(daemon.daemon.reload()).toBe(true);
    await untilAnswered(daemon.port, 'other');
    await writeFile(path, 'broken');
    daemon.daemon.reload();
    await until(() => daemon.logs.some(({ level }) => level === 'error'), { what: 'an error' });
    expect(await ask(daemon.port)).toBe('other');
  });

  it('says so when it has nothing to read', async () => {
    const daemon = await anOwnDaemon({});
    expect(daemon.daemon.reload()).toBe(false);
  });
});

it('takes nothing over once it has ended', async () => {
  const daemon = await anOwnDaemon({});
  daemon.daemon.stop();
  await daemon.daemon.stopped;
  expect(await daemon.change({ env: { EDGEPROXY_LOG_LEVEL: 'debug' } })).toMatchObject({ refused: [] });
});
