import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { postgresEnv } from '../support/daemon.ts';
import {
  aDaemon,
  aDatabase,
  anEchoBackend,
  anEchoClient,
  aNamedBackend,
  ask,
  askTimes,
  exchange,
  NO_AFFINITY,
  NO_POLL,
  putBackends,
  untilAnswered,
  untilApplied,
} from '../support/edge.ts';
import { codeBlocks, readDocument } from '../support/markdown.ts';
import { freePort, untilRefused } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

type Route = readonly [port: number, app: string];

const tomlOf = (routes: readonly Route[], app?: string): string =>
  [
    app === undefined ? '' : `app = "${app}"`,
    ...routes.map(([port, name]) => `[[routes]]\nlisten_addr = "127.0.0.1:${port}"\napp = "${name}"`),
  ].join('\n');

async function aFile(content: string) {
  const path = join(await temporaryFolder(), 'edge.toml');
  await writeFile(path, content);
  return { path, write: (next: string) => writeFile(path, next) };
}

describe('a daemon with routes', () => {
  it.each(process.platform === 'linux' ? ['epoll', 'net'] : ['net'])(
    'serves several applications of one database on the %s engine, and follows their rows and its file',
    async (engine) => {
      const [web, db, mail] = await Promise.all(['web', 'db', 'mail'].map((name) => aNamedBackend(name)));
      const [webPort, dbPort, mailPort] = await Promise.all([freePort(), freePort(), freePort()]);
      const file = await aFile(
        tomlOf([
          [webPort, 'web'],
          [dbPort, 'db'],
        ]),
      );
      const database = await aDatabase();
      const daemon = await aDaemon({
        args: ['--config', file.path],
        env: {
          ...postgresEnv(database.url),
          ...NO_AFFINITY,
          ...NO_POLL,
          EDGEPROXY_ENGINE: engine,
          EDGEPROXY_CONFIG_WATCH_ENABLED: 'true',
        },
      });
      expect(await daemon.log('accepting clients')).toMatchObject({
        routes: [
          { app: 'web', host: '127.0.0.1', port: webPort },
          { app: 'db', host: '127.0.0.1', port: dbPort },
        ],
      });
      expect([await ask(webPort), await ask(dbPort)]).toEqual(['', '']);
      await putBackends(
        database,
        { id: 'web-1', app: 'web', port: web!.port },
        { id: 'db-1', app: 'db', port: db!.port },
      );
      await untilApplied(daemon, 2);
      expect(new Set(await askTimes(webPort, 5))).toEqual(new Set(['web']));
      expect(new Set(await askTimes(dbPort, 5))).toEqual(new Set(['db']));
      expect(new Set(await askTimes(daemon.port, 20))).toEqual(new Set(['web', 'db']));

      await putBackends(database, { id: 'web-2', app: 'web', port: mail!.port });
      await untilAnswered(webPort, 'mail');
      await database.query("UPDATE backends SET app = 'db' WHERE id = 'web-2'");
      await untilAnswered(dbPort, 'mail');
      expect(new Set(await askTimes(webPort, 5))).toEqual(new Set(['web']));
      await database.query("UPDATE backends SET app = 'mail' WHERE id = 'web-2'");

      const from = daemon.logs.length;
      await file.write(
        tomlOf(
          [
            [webPort, 'db'],
            [mailPort, 'mail'],
          ],
          'web',
        ),
      );
      await daemon.log('accepting clients at other addresses', from);
      await untilRefused(dbPort);
      await untilAnswered(mailPort, 'mail');
      expect(new Set(await askTimes(webPort, 5))).toEqual(new Set(['db']));
      expect(new Set(await askTimes(daemon.port, 5))).toEqual(new Set(['web']));
    },
  );

  it('keeps its listeners and their clients when a new route cannot be bound, and names the route', async () => {
    const [backend, taken, port] = await Promise.all([anEchoBackend(), anEchoBackend(), freePort()]);
    const file = await aFile(tomlOf([[port, 'web']]));
    const database = await aDatabase();
    const daemon = await aDaemon({
      args: ['--config', file.path],
      env: { ...postgresEnv(database.url), EDGEPROXY_CONFIG_WATCH_ENABLED: 'true' },
    });
    await putBackends(database, { id: 'web-1', app: 'web', port: backend.port });
    await untilApplied(daemon, 1);
    const client = await anEchoClient(port);
    await file.write(
      tomlOf([
        [await freePort(), 'web'],
        [taken.port, 'db'],
      ]),
    );
    expect(await daemon.log('a setting keeps its old value')).toMatchObject({
      reason: expect.stringContaining(`routes[1].listen_addr: cannot listen on 127.0.0.1:${taken.port}`),
    });
    await exchange(client, 'still here');
    await anEchoClient(port);
  });

  it('runs the example of docs/routes.md', async () => {
    const [example] = codeBlocks(readDocument('docs/routes.md'), 'toml');
    const backends = await Promise.all(['shop', 'blog'].map((name) => aNamedBackend(name)));
    const ports = await Promise.all([freePort(), freePort()]);
    const file = await aFile(
      example!
        .replaceAll(/0\.0\.0\.0:80(\d\d)/g, (_, digits: string) => `127.0.0.1:${ports[Number(digits) % 2]}`)
        .replaceAll(/wg_ip = ".*"\nport = (\d+)/g, (_, port: string) => {
          const { host, port: own } = backends[Number(port) % 2]!;
          return `wg_ip = "${host}"\nport = ${own}`;
        }),
    );
    const daemon = await aDaemon({
      args: ['--config', file.path],
      env: { EDGEPROXY_LISTEN_ADDR: `127.0.0.1:${ports[0]}` },
    });
    await untilApplied(daemon, 2);
    expect([await ask(ports[0]), await ask(ports[1])]).toEqual(['shop', 'blog']);
  });
});
