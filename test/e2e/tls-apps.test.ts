import type { Socket } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { aPair, type Pair, writePair } from '../support/certificates.ts';
import { aClient, anEchoBackend, ask, aNamedBackend, exchange } from '../support/edge.ts';
import { anOwnDaemon, ENGINE_UNDER_TEST } from '../support/own-daemon.ts';
import { readAll } from '../support/sockets.ts';
import { aFolder, aTlsClient, filesOf, TLS_ON } from '../support/tls.ts';
import { until } from '../support/until.ts';

const ENGINES = process.platform === 'linux' ? (['net', 'epoll'] as const) : (['net'] as const);
const NAMES = '[tls.server_names]\n"shop.example" = "x"\n"*.blog.example" = "y"\n';

let pair: Pair;

beforeAll(async () => {
  pair = await aPair();
});

describe.each(ENGINES)('the TLS listener beside the %s engine', (engine) => {
  it('gives clients the backends of the app that their server name leads to, and follows other names', async () => {
    vi.stubEnv(ENGINE_UNDER_TEST, engine);
    onTestFinished(() => void vi.unstubAllEnvs());
    const [shop, blog] = await Promise.all([aNamedBackend('shop'), aNamedBackend('blog')]);
    const other = `[[backends]]\nid = "b"\napp = "y"\nregion = "sa"\ncountry = "BR"\nwg_ip = "127.0.0.1"\nport = ${blog.port}\n`;
    const edge = await anOwnDaemon({
      env: { ...TLS_ON, ...filesOf(await writePair(await aFolder(), pair)), EDGEPROXY_APP: 'y' },
      backends: [{ id: 'a', port: shop.port }],
      toml: other + NAMES,
    });
    const answer = async (servername?: string): Promise<string> => {
      const client = await aTlsClient(
        edge.addresses.tls!.port,
        servername === undefined ? {} : { servername },
      );
      return (await readAll(client).catch(() => Buffer.alloc(0))).toString();
    };
    expect([await answer('shop.example'), await answer('WWW.blog.example')]).toEqual(['shop', 'blog']);
    expect([await answer('other.example'), await answer()]).toEqual(['', '']);
    expect(await edge.metric('edgeproxy_connections_refused_total{reason="unknown_server_name"}')).toBe(2);
    expect(await ask(edge.port)).toBe('blog');
    await edge.change({ toml: other + NAMES.replace('"y"', '"x"'), env: { EDGEPROXY_TLS_DEFAULT_APP: 'y' } });
    expect([await answer('www.blog.example'), await answer('other.example')]).toEqual(['shop', 'blog']);
    await edge.change({ toml: other, env: { EDGEPROXY_TLS_DEFAULT_APP: 'x' } });
    expect([await answer('www.blog.example'), await answer()]).toEqual(['shop', 'shop']);
  });

  it('shows of each client in the admin API the app that it has come for', async () => {
    vi.stubEnv(ENGINE_UNDER_TEST, engine);
    onTestFinished(() => void vi.unstubAllEnvs());
    const backend = await anEchoBackend();
    const edge = await anOwnDaemon({
      env: {
        ...TLS_ON,
        ...filesOf(await writePair(await aFolder(), pair)),
        EDGEPROXY_ADMIN_ENABLED: 'true',
        EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0',
      },
      backends: [{ id: 'a', port: backend.port }],
      toml: NAMES,
    });
    const plain = await aClient(edge.port);
    const secured = await aTlsClient(edge.addresses.tls!.port, { servername: 'shop.example' });
    const silent = await aClient(edge.addresses.tls!.port);
    await Promise.all([exchange(plain, 'hello'), exchange(secured, 'hello')]);
    const url = `http://127.0.0.1:${edge.addresses.admin!.port}/admin/v1/connections`;
    const listed = await until(
      async () => {
        const { connections } = (await (await fetch(url)).json()) as {
          readonly connections: readonly { readonly clientPort: number; readonly app: string | null }[];
        };
        return connections.length === 3 ? connections : undefined;
      },
      { what: 'all clients to be listed' },
    );
    const appOf = ({ localPort }: Socket) => listed.find(({ clientPort }) => clientPort === localPort)!.app;
    expect([plain, secured, silent].map(appOf)).toEqual([null, 'x', null]);
  });
});
