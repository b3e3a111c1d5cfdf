import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { trySettings } from '../../src/composition/try-settings.ts';
import { changeBetween } from '../../src/config/diff.ts';
import { loadSettings } from '../../src/config/load.ts';
import { once } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const settingsOf = (content: string) => loadSettings({}, { path: 'edge.toml', content }).settings;

/** What comes in the way of a change from one file to another, in a daemon that accepts clients. */
function hindrances(running: string, wanted: string, isAccepting = true) {
  const now = settingsOf(running);
  return trySettings(now, changeBetween(now, settingsOf(wanted)), isAccepting);
}

/** Listens as somebody else does. */
async function aHolder(host = '127.0.0.1'): Promise<{ port: number; server: Server }> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { port: (server.address() as { port: number }).port, server };
}

async function aFreePort(): Promise<number> {
  const { port, server } = await aHolder();
  server.close();
  await once(server, 'close');
  return port;
}

const keysOf = (found: Awaited<ReturnType<typeof hindrances>>) =>
  [...found].map(([key, { takesEffect }]) => [key, takesEffect]);

describe('a change that is tried', () => {
  it('is hindered by an address of somebody else, and leaves no listener behind where it is not', async () => {
    const [{ port: taken }, free] = [await aHolder(), await aFreePort()];
    const found = await hindrances(
      '',
      `listen_addr = "127.0.0.1:${free}"\n[metrics]\nenabled = true\nlisten_addr = "127.0.0.1:${taken}"\n`,
    );
    const refusal = {
      takesEffect: 'refused',
      reason: `metrics.listen_addr: cannot listen on 127.0.0.1:${taken}: another process listens there; stop it or choose another port`,
    };
    expect([...found]).toEqual([
      ['metrics.enabled', refusal],
      ['metrics.listen_addr', refusal],
    ]);
    const server = createServer().listen(free, '127.0.0.1');
    await once(server, 'listening');
    server.close();
  });

  it('is hindered by an address that the machine does not have, also at a port of its own', async () => {
    const found = await hindrances('listen_addr = "0.0.0.0:7400"\n', 'listen_addr = "192.0.2.1:7400"\n');
    expect(found.get('listen_addr')).toEqual({
      takesEffect: 'refused',
      reason: expect.stringContaining('192.0.2.1:7400: this machine has no such address'),
    });
  });

  it('finds an address free that another listener of the daemon leaves', async () => {
    const [{ port: first }, { port: second }, third] = [await aHolder(), await aHolder(), await aFreePort()];
    const at = (proxy: number, metrics: number) =>
      `listen_addr = "127.0.0.1:${proxy}"\n[metrics]\nenabled = true\nlisten_addr = "127.0.0.1:${metrics}"\n`;
    expect(await hindrances(at(first, second), at(second, third))).toEqual(new Map());
  });

  it('hinders who wants the address of one that has to stay', async () => {
    const [{ port: first }, { port: second }, { port: strange }] = [
      await aHolder(),
      await aHolder(),
      await aHolder(),
    ];
    const at = (proxy: number, metrics: number) =>
      `listen_addr = "127.0.0.1:${proxy}"\n[metrics]\nenabled = true\nlisten_addr = "127.0.0.1:${metrics}"\n`;
    expect(keysOf(await hindrances(at(first, second), at(second, strange)))).toEqual([
      ['metrics.listen_addr', 'refused'],
      ['listen_addr', 'refused'],
    ]);
  });

  it('is not known where the daemon has a part of the new address, and known for what has nothing to do with it', async () => {
    const { port } = await aHolder();
    const found = await hindrances(
      `listen_addr = "127.0.0.1:${port}"\n`,
      `listen_addr = "0.0.0.0:${port}"\n[geoip]\npath = "/nowhere/geo.mmdb"\n`,
    );
    expect(keysOf(found)).toEqual([
      ['listen_addr', 'not known'],
      ['geoip.path', 'refused'],
    ]);
    expect(
      await hindrances(`listen_addr = "0.0.0.0:${port}"\n`, `listen_addr = "127.0.0.1:${port}"\n`),
    ).toEqual(new Map());
  });

  it('is hindered by a GeoIP database and a token file that are broken', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'broken');
    await writeFile(path, '');
    const guarded = (isOn: boolean) =>
      `[metrics]\nenabled = ${isOn}\nlisten_addr = "127.0.0.1:0"\ntoken_file = "${path}"\n`;
    const found = await hindrances(guarded(false), `${guarded(true)}[geoip]\npath = "${path}"\n`);
    expect(keysOf(found)).toEqual([
      ['metrics.enabled', 'refused'],
      ['geoip.path', 'refused'],
    ]);
  });

  it('moves no listener of a daemon that accepts nobody any more', async () => {
    const found = await hindrances('', 'listen_addr = "127.0.0.1:0"\nmax_connections = 2\n', false);
    expect([...found]).toEqual([
      ['listen_addr', { takesEffect: 'refused', reason: 'the daemon accepts no clients any more' }],
    ]);
  });
});
