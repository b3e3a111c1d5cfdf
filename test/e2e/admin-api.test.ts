import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DaemonAddresses } from '../../src/daemon.ts';
import type { DaemonProcess, Env, LogLine } from '../support/daemon.ts';
import {
  aDaemon,
  aDatabase,
  aNamedBackend,
  anEchoBackend,
  anEchoClient,
  ask,
  exchange,
  NO_AFFINITY,
  putBackends,
  untilAnswered,
  untilApplied,
} from '../support/edge.ts';
import { anApiDaemon } from '../support/api-daemon.ts';
import { postgresEnv } from '../support/daemon.ts';
import { type ApiAsk, askApi } from '../support/registration.ts';
import { freePort } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const ENGINES = process.platform === 'linux' ? ['net', 'epoll'] : ['net'];

const ADMIN: Env = {
  EDGEPROXY_ADMIN_ENABLED: 'true',
  EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0',
  EDGEPROXY_LOG_LEVEL: 'info',
};

/** Asks the admin API of a daemon; the status first. */
async function anOperatorOf(daemon: DaemonProcess) {
  const { admin } = (await daemon.log('accepting clients')) as unknown as DaemonAddresses;
  return async (path: string, asked?: ApiAsk) => {
    const { status, json } = await askApi(admin!.port, `/admin/v1/${path}`, asked);
    return [status, json as Answer] as const;
  };
}

/** So many lines of what operators have changed. */
function auditOf(daemon: DaemonProcess, count: number): Promise<readonly LogLine[]> {
  return until(
    () => {
      const lines = daemon.logs.filter(({ msg }) => msg === 'changed by an operator');
      return lines.length >= count && lines;
    },
    { what: `${count} changes in the log` },
  );
}

async function aConfig(content: string): Promise<string> {
  const path = join(await temporaryFolder(), 'edge.toml');
  await writeFile(path, content);
  return path;
}

interface Answer {
  readonly backends: readonly {
    readonly id: string;
    readonly reason: string | null;
    readonly connections: number;
    readonly verdict: string;
    readonly share: number;
    readonly breaker: { readonly state: string } | null;
    readonly health: object | null;
    readonly life: string;
  }[];
  readonly connections: readonly { readonly backend: object; readonly bytesSent: number }[];
  readonly [field: string]: unknown;
}

const POST = { method: 'POST' };

describe.each(ENGINES)('an operator of a daemon with the %s engine', (engine) => {
  const env = { ...ADMIN, ...NO_AFFINITY, EDGEPROXY_ENGINE: engine, EDGEPROXY_THREADS: '2' };

  it('drains a backend for all daemons of a database, and sees its last connections', async () => {
    const database = await aDatabase();
    const own = { ...env, ...postgresEnv(database.url) };
    const [one, other] = await Promise.all([aDaemon({ env: own }), aDaemon({ env: own })]);
    const echo = await anEchoBackend();
    await putBackends(database, { id: 'a', port: echo.port });
    await Promise.all([untilApplied(one, 1), untilApplied(other, 1)]);
    const operator = await anOperatorOf(one);
    const client = await anEchoClient(one.port);

    const drained = { id: 'a', isDrained: true, changed: true, scope: 'database' };
    expect(await operator('backends/a/drain', POST)).toEqual([200, drained]);
    await Promise.all([untilApplied(one, 0, 1), untilApplied(other, 0, 1)]);
    expect(await database.query('SELECT healthy FROM backends')).toEqual([{ healthy: 0 }]);
    expect(await ask(one.port)).toBe('');
    await exchange(client, 'still here');
    const [, { backends }] = await operator('backends?id=a');
    expect(backends).toMatchObject([
      { id: 'a', reason: 'admin_down', adminUp: false, isEligible: false, connections: 1, life: 'active' },
    ]);
    const [, { connections }] = await operator('connections?backend=a');
    expect(connections).toMatchObject([
      {
        client: '127.0.0.1',
        clientPort: client.localPort,
        state: 'connected',
        backend: { id: 'a', address: `127.0.0.1:${echo.port}` },
      },
    ]);
    expect(await operator('backends/a/drain', POST)).toEqual([200, { ...drained, changed: false }]);
    client.destroy();
    await until(async () => (await operator('backends?id=a'))[1].backends[0]!.connections === 0, {
      what: 'the last connection to end',
    });
    const [status] = await operator('backends/a/undrain', POST);
    expect(status).toBe(200);
    await Promise.all([untilApplied(one, 1), untilApplied(other, 1)]);
    for (const id of ['none', '%00', "'%20OR%20'1'='1"])
      expect((await operator(`backends/${id}/drain`, POST))[0]).toBe(404);
    expect(await auditOf(one, 2)).toMatchObject([
      { change: 'drained', backend: 'a', address: '127.0.0.1', role: 'none' },
      { change: 'undrained', backend: 'a' },
    ]);
  });

  it('closes a circuit by hand, and is told why a client does not come to each backend', async () => {
    const database = await aDatabase();
    const daemon = await aDaemon({
      env: {
        ...env,
        ...postgresEnv(database.url),
        EDGEPROXY_BINDING_TTL_SECS: '600',
        EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'true',
        EDGEPROXY_CIRCUIT_FAILURE_THRESHOLD: '1',
        EDGEPROXY_CIRCUIT_TIMEOUT_SECS: '600',
      },
    });
    const named = await aNamedBackend('far');
    await putBackends(
      database,
      { id: 'near', port: await freePort() },
      { id: 'far', port: named.port, region: 'us', country: 'US' },
      { id: 'off', port: named.port, weight: 0 },
    );
    await untilApplied(daemon, 2, 1);
    const operator = await anOperatorOf(daemon);
    const explain = async (app?: string) => {
      const [status, answer] = await operator('explain', { body: { client: '127.0.0.1', app } });
      expect(status).toBe(200);
      return [answer['result'], ...answer.backends.map(({ id, verdict, share }) => [id, verdict, share])];
    };
    expect(await explain()).toEqual([
      'picked',
      ['near', 'picked', 1],
      ['far', 'farther', 0],
      ['off', 'weight_zero', 0],
    ]);
    expect(await explain('test')).toEqual(await explain());
    expect(await explain('other')).toEqual(['no_backend']);
    expect(await ask(daemon.port)).toBe('far');
    await untilApplied(daemon, 1, 2);
    expect(await explain()).toEqual([
      'bound',
      ['far', 'bound', 1],
      ['near', 'circuit_open', 0],
      ['off', 'weight_zero', 0],
    ]);
    const [, before] = await operator('backends?id=near');
    expect(before.backends[0]!.breaker).toMatchObject({ state: 'open' });
    expect(await operator('backends/near/reset-breaker', POST)).toEqual([200, { reset: ['near'] }]);
    await untilApplied(daemon, 2, 1);
    expect(await operator('breakers/reset', POST)).toEqual([200, { reset: [] }]);
    const [, set] = await operator('eligible');
    expect(set).toMatchObject({ isPanic: false, eligible: 2, excluded: 1, next: null });
    expect(set.backends.map(({ id, reason }) => [id, reason])).toEqual([
      ['far', null],
      ['near', null],
      ['off', 'weight_zero'],
    ]);
    const [, page] = await operator('eligible?limit=2');
    const [, rest] = await operator(`eligible?limit=2&after=${encodeURIComponent(String(page['next']))}`);
    expect([page, rest].map(({ backends }) => backends.map(({ id }) => id))).toEqual([
      ['far', 'near'],
      ['off'],
    ]);
  });

  it('has it log more for a while, in every thread', async () => {
    const named = await aNamedBackend('a');
    const config = await aConfig(
      `[[backends]]\nid = "a"\napp = "x"\nregion = "sa"\ncountry = "BR"\nwg_ip = "127.0.0.1"\nport = ${named.port}\n`,
    );
    const daemon = await aDaemon({ env, args: ['--config', config] });
    const operator = await anOperatorOf(daemon);
    await untilAnswered(daemon.port, 'a');
    expect(daemon.logs.filter(({ level }) => level === 'debug')).toEqual([]);
    const level = { level: 'debug', setting: 'info', isOverridden: true };
    expect(await operator('log-level', { method: 'PUT', body: { level: 'debug' } })).toEqual([200, level]);
    expect(await operator('log-level')).toEqual([200, level]);
    await untilAnswered(daemon.port, 'a');
    await daemon.log('client connected to backend');
    const info = { level: 'info', setting: 'info', isOverridden: false };
    expect(await operator('log-level', { method: 'DELETE' })).toEqual([200, info]);
    expect(await auditOf(daemon, 2)).toMatchObject([
      { change: 'log level', from: 'info', to: 'debug' },
      { change: 'log level', from: 'debug', to: 'info' },
    ]);
  });
});

describe('an operator of a daemon without a database', () => {
  it('drains a backend of this daemon, also over a restart, and none that the file keeps out', async () => {
    const named = await aNamedBackend('a');
    const table = (id: string, more = ''): string =>
      `[[backends]]\nid = "${id}"\napp = "x"\nregion = "sa"\ncountry = "BR"\nwg_ip = "127.0.0.1"\nport = ${named.port}\n${more}\n`;
    const config = await aConfig(table('a') + table('b', 'healthy = false'));
    const stateDir = await temporaryFolder();
    const start = () => aDaemon({ env: { ...ADMIN, ...NO_AFFINITY }, args: ['--config', config], stateDir });
    const first = await start();
    const operator = await anOperatorOf(first);
    expect(await operator('backends/a/drain', POST)).toEqual([
      200,
      { id: 'a', isDrained: true, changed: true, scope: 'daemon' },
    ]);
    await untilAnswered(first.port, '');
    expect((await operator('backends/b/undrain', POST))[0]).toBe(409);
    expect((await operator('backends/none/drain', POST))[0]).toBe(404);
    expect((await operator('breakers/reset', POST))[0]).toBe(409);
    await first.dispose();

    const second = await start();
    expect(await second.log('backends are switched off in this daemon')).toMatchObject({ backends: ['a'] });
    const again = await anOperatorOf(second);
    expect(await ask(second.port)).toBe('');
    expect(await again('backends/a/undrain', POST)).toMatchObject([200, { changed: true }]);
    await untilAnswered(second.port, 'a');
    expect(await again('backends/a/undrain', POST)).toMatchObject([200, { changed: false }]);
  });

  it('sees the lease of a backend that has registered itself, and that it is over', async () => {
    const named = await aNamedBackend('a');
    const daemon = await anApiDaemon({ env: { ...ADMIN, EDGEPROXY_HEARTBEAT_TTL_SECS: '2' } });
    expect(await daemon.register('a', named.port)).toBe(201);
    await untilApplied(daemon, 1);
    const operator = await anOperatorOf(daemon);
    const seen = async () => (await operator('backends'))[1].backends[0]!;
    expect(await seen()).toMatchObject({
      id: 'a',
      isEligible: true,
      lease: { isExpired: false, ttlSecs: 2, heardSecsAgo: expect.any(Number) as number },
    });
    await untilApplied(daemon, 0, 1);
    expect(await seen()).toMatchObject({ reason: 'expired', lease: { isExpired: true } });
    expect(await operator('backends/a/drain', POST)).toMatchObject([200, { scope: 'daemon' }]);
    expect(await daemon.register('a', named.port)).toBe(201);
    await until(async () => (await seen()).reason === 'admin_down', {
      what: 'the drain to outlive all that',
    });
  });
});
