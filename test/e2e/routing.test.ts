import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import {
  aBackend,
  aClient,
  anEchoBackend,
  anEchoClient,
  anEdge,
  aNamedBackend,
  ask,
  askTimes,
  NO_AFFINITY,
} from '../support/edge.ts';
import { once, type TcpBackend } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const from = (localAddress: string) => ({ localAddress });

/** Says its name and stays connected. */
const aTalkingBackend = (name: string): Promise<TcpBackend> =>
  aBackend((socket) => socket.resume().write(name));

// Only Linux has all of 127.0.0.0/8 without being told.
describe.runIf(process.platform === 'linux')('affinity', () => {
  it('returns an address to its backend though another has less to do, and leaves others free', async () => {
    const [a, b] = await Promise.all(['a', 'b'].map(aTalkingBackend));
    const { daemon } = await anEdge([
      { id: 'a', port: a!.port },
      { id: 'b', port: b!.port },
    ]);
    const firstWord = async (localAddress: string): Promise<string> => {
      const socket = await aClient(daemon.port, from(localAddress));
      const [word] = await once(socket, 'data');
      return String(word);
    };
    const home = await firstWord('127.0.0.2');
    for (let round = 0; round < 20; round++) expect(await firstWord('127.0.0.2')).toBe(home);
    expect(await firstWord('127.0.0.3')).toBe(home === 'a' ? 'b' : 'a');
  });

  it('lets go of a backend that is taken out, and binds to the one that serves instead', async () => {
    const [a, b] = await Promise.all([aNamedBackend('a'), aNamedBackend('b')]);
    const { database, daemon } = await anEdge([
      { id: 'a', port: a.port },
      { id: 'b', port: b.port },
    ]);
    const home = await ask(daemon.port, from('127.0.0.2'));
    const other = home === 'a' ? 'b' : 'a';
    await database.query('UPDATE backends SET healthy = 0 WHERE id = $1', [home]);
    await until(async () => (await ask(daemon.port, from('127.0.0.2'))) === other, { what: 'the move' });
    const appliedBefore = daemon.logs.length;
    await database.query('UPDATE backends SET healthy = 1');
    const read = await daemon.log('backends read', appliedBefore);
    await daemon.log('backends applied', daemon.logs.indexOf(read));
    expect(new Set(await askTimes(daemon.port, 20, from('127.0.0.2')))).toEqual(new Set([other]));
  });
});

describe.runIf(process.platform === 'linux')('geography', () => {
  it('sends clients to their country, and on to the next tier when that is full', async () => {
    const config = join(await temporaryFolder(), 'edge.toml');
    await writeFile(config, '[geoip.cidrs]\n"127.0.0.2/32" = "US"\n"127.0.0.3/32" = "PT"\n');
    const named = await Promise.all(['us', 'ca', 'pt', 'br'].map(anEchoBackend));
    const [us, ca, pt, br] = named;
    const { daemon } = await anEdge(
      [
        { id: 'us', port: us!.port, region: 'us', country: 'US', hard_limit: 2 },
        { id: 'ca', port: ca!.port, region: 'us', country: 'CA', hard_limit: 1 },
        { id: 'pt', port: pt!.port, region: 'eu', country: 'PT' },
        { id: 'br', port: br!.port, region: 'sa', country: 'BR', hard_limit: 2 },
      ],
      { args: ['--config', config], env: NO_AFFINITY },
    );
    const live = () => named.map(({ sockets }) => sockets.length);
    const connectFrom = (localAddress: string) => anEchoClient(daemon.port, from(localAddress));

    await connectFrom('127.0.0.3');
    await connectFrom('127.0.0.1');
    expect(live()).toEqual([0, 0, 1, 1]);
    const american = await connectFrom('127.0.0.2');
    await connectFrom('127.0.0.2');
    expect(live()).toEqual([2, 0, 1, 1]);
    await connectFrom('127.0.0.2');
    expect(live()).toEqual([2, 1, 1, 1]);
    await connectFrom('127.0.0.2');
    expect(live()).toEqual([2, 1, 1, 2]);
    await connectFrom('127.0.0.2');
    expect(live()).toEqual([2, 1, 2, 2]);

    american.end();
    await until(
      async () => (await daemon.metric('edgeproxy_backend_connections_active{backend="us"}')) === 1,
      {
        what: 'a place in the own country',
      },
    );
    await until(() => us!.sockets.length === 1, { what: 'the backend to see it too' });
    await connectFrom('127.0.0.2');
    expect(live()).toEqual([2, 1, 2, 2]);
  });
});
