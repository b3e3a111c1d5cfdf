import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { postgresEnv } from '../support/daemon.ts';
import { aClient, aDaemon, aDatabase, NO_POLL, putBackends, untilApplied } from '../support/edge.ts';
import { codeBlocks, readDocument } from '../support/markdown.ts';
import { askByTls, aTlsBackend } from '../support/openssl.ts';
import { freePort, once, readAll } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const GARBAGE = 50;

const NAMES = '[tls.server_names]\n"shop.example" = "shop"\n"*.blog.example" = "blog"\n';

async function aFile(content: string) {
  const path = join(await temporaryFolder(), 'edge.toml');
  await writeFile(path, content);
  return { path, write: (next: string) => writeFile(path, next) };
}

const refused = (reason: string) => `edgeproxy_connections_refused_total{reason="${reason}"}`;

describe.runIf(process.platform === 'linux')('a daemon that leaves TLS to backends', () => {
  it.each(['epoll', 'net'])(
    'routes openssl by server name on the %s engine, follows rows and names, and shrugs off garbage',
    async (engine) => {
      const [shop, blog] = await Promise.all([
        aTlsBackend('shop', 'shop.example'),
        aTlsBackend('blog', 'www.blog.example'),
      ]);
      const port = await freePort();
      const file = await aFile(`${NAMES}[config_watch]\nenabled = true\n`);
      const database = await aDatabase();
      const daemon = await aDaemon({
        args: ['--config', file.path],
        env: {
          ...postgresEnv(database.url),
          ...NO_POLL,
          EDGEPROXY_ENGINE: engine,
          EDGEPROXY_TLS_ENABLED: 'true',
          EDGEPROXY_TLS_MODE: 'passthrough',
          EDGEPROXY_TLS_LISTEN_ADDR: `127.0.0.1:${port}`,
        },
      });
      expect(await daemon.log('accepting clients')).toMatchObject({ tls: { host: '127.0.0.1', port } });
      await putBackends(
        database,
        { id: 'shop-1', app: 'shop', port: shop.port },
        { id: 'blog-1', app: 'blog', port: blog.port },
      );
      await untilApplied(daemon, 2);

      for (const version of ['-tls1_2', '-tls1_3']) {
        expect(await askByTls(port, 'shop.example', shop, version)).toEqual({ code: 0, output: 'shop' });
        const answer = await askByTls(port, 'www.blog.example', blog, version, '-alpn', 'h2');
        expect(answer).toEqual({ code: 0, output: 'blog' });
      }
      expect(shop.asked).toEqual(
        Array.from({ length: 2 }, () => ({ serverName: 'shop.example', alpn: false })),
      );
      expect(blog.asked).toEqual(
        Array.from({ length: 2 }, () => ({ serverName: 'www.blog.example', alpn: 'h2' })),
      );
      expect((await askByTls(port, 'other.example', shop)).code).not.toBe(0);
      expect(await daemon.metric(refused('unknown_server_name'))).toBe(1);

      for (let time = 0; time < GARBAGE; time++) {
        const client = await aClient(port);
        client
          .on('error', () => {})
          .end(Buffer.concat([Buffer.from([22, 3, time % 5]), randomBytes(time * 40)]));
        await readAll(client).catch(() => undefined);
      }
      await until(async () => (await daemon.metric(refused('bad_client_hello'))) === GARBAGE, {
        what: 'all garbage to be refused',
      });
      await database.query("UPDATE backends SET app = 'shop' WHERE id = 'blog-1'");
      await database.query("UPDATE backends SET app = 'blog' WHERE id = 'shop-1'");
      await file.write(
        '[tls]\ndefault_app = "blog"\n[tls.server_names]\n"www.blog.example" = "shop"\n[config_watch]\nenabled = true\n',
      );
      await daemon.log('configuration changed');
      await until(async () => (await askByTls(port, 'shop.example', shop)).output === 'shop', {
        what: 'the rows to have changed',
      });
      expect((await askByTls(port, 'www.blog.example', blog)).output).toBe('blog');
      const live = await aClient(port);
      live.destroy();
      daemon.child.kill('SIGTERM');
      expect((await daemon.exited).code).toBe(0);
    },
  );

  it('runs the example of docs/routes.md', async () => {
    const [, example] = codeBlocks(readDocument('docs/routes.md'), 'toml');
    const shop = await aTlsBackend('shop', 'shop.example');
    const port = await freePort();
    const file = await aFile(
      example!
        .replace('0.0.0.0:8443', `127.0.0.1:${port}`)
        .replace(/wg_ip = "10.50.1.1"\nport = \d+/, `wg_ip = "127.0.0.1"\nport = ${shop.port}`),
    );
    await aDaemon({ args: ['--config', file.path] });
    const client = await aClient(port);
    client.end();
    await once(client.resume(), 'close');
    expect(await askByTls(port, 'shop.example', shop)).toEqual({ code: 0, output: 'shop' });
  });
});
