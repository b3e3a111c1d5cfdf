import { execFile } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { anApiDaemon, untilChanged } from '../support/api-daemon.ts';
import {
  aClient,
  aNamedBackend,
  anEchoBackend,
  ask,
  exchange,
  untilAnswered,
  untilApplied,
} from '../support/edge.ts';
import { startLoad } from '../support/load.ts';
import { codeBlocks, readDocument } from '../support/markdown.ts';
import { ORIGINAL_SESSION } from '../support/original-session.ts';
import { freePort } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const SHORT_TTL = { EDGEPROXY_HEARTBEAT_TTL_SECS: '2' };

/** What a shell prints for a command that asks a daemon on port 8081. */
async function inShell(command: string, apiPort: number): Promise<string> {
  const ours = command.replaceAll('localhost:8081', `localhost:${apiPort}`);
  const { stdout } = await promisify(execFile)('bash', ['-euc', ours]);
  return stdout;
}

describe('a daemon without a database', () => {
  it('understands the session that the original documents', async () => {
    const { apiPort } = await anApiDaemon();
    const answers: unknown[] = [];
    for (const command of ORIGINAL_SESSION) answers.push(JSON.parse(await inShell(command, apiPort)));
    const backend = {
      id: 'backend-eu-1',
      app: 'myapp',
      region: 'eu',
      ip: '10.50.1.1',
      port: 8080,
      healthy: true,
      last_heartbeat_secs: expect.any(Number),
      registered_secs: expect.any(Number),
    };
    expect(answers).toEqual([
      { id: 'backend-eu-1', registered: true, message: 'Backend registered successfully' },
      { id: 'backend-eu-1', status: 'ok' },
      { backends: [backend], total: 1 },
      { status: 'ok', version: expect.any(String), registered_backends: 1 },
    ]);
  });

  it('understands the session of the documentation', async () => {
    const { apiPort } = await anApiDaemon();
    const blocks = codeBlocks(readDocument('docs/registration-api.md'), 'sh');
    const session = blocks.find((block) => block.includes('curl'))!;
    const printed = await inShell(session, apiPort);
    expect(printed).toContain('"registered":true');
    expect(printed).toContain('"status":"ok"');
    expect(printed).toContain('"total":1');
    expect(printed).toContain('"deregistered":true');
  });

  it('routes to what has registered, beside the backends of its file', async () => {
    const [fixed, registered] = await Promise.all([aNamedBackend('fixed'), aNamedBackend('registered')]);
    const folder = await temporaryFolder();
    const config = join(folder, 'edge.toml');
    await writeFile(
      config,
      `[[backends]]\nid = "fixed"\napp = "test"\nregion = "sa"\ncountry = "BR"\nwg_ip = "127.0.0.1"\nport = ${fixed.port}\n`,
    );
    const daemon = await anApiDaemon({ args: ['--config', config] });
    expect(await ask(daemon.port)).toBe('fixed');
    expect(await daemon.register('fixed', registered.port)).toBe(409);
    expect(await daemon.register('registered', registered.port)).toBe(201);
    await untilApplied(daemon, 2);
    await untilAnswered(daemon.port, 'registered');
    expect(await daemon.deregister('fixed')).toBe(404);
    expect(await daemon.deregister('registered')).toBe(200);
    await untilApplied(daemon, 1);
    expect(await ask(daemon.port)).toBe('fixed');
    expect(daemon.logs.filter(({ msg }) => msg === 'registration changed')).toMatchObject([
      { level: 'info', change: 'registered', backend: 'registered', address: '127.0.0.1', role: 'none' },
      { level: 'info', change: 'deregistered', backend: 'registered', address: '127.0.0.1', role: 'none' },
    ]);
  });

  it('lets live connections of a backend go on when it deregisters', async () => {
    const backend = await anEchoBackend();
    const daemon = await anApiDaemon();
    await daemon.register('a', backend.port);
    await untilApplied(daemon, 1);
    const client = await aClient(daemon.port);
    await exchange(client, 'hello');
    expect(await daemon.deregister('a')).toBe(200);
    await untilAnswered(daemon.port, '');
    await exchange(client, 'still here');
  });

  it('takes a silent backend out, takes it in when it is heard of, and removes it when it stays silent', async () => {
    const [silent, alive] = await Promise.all([aNamedBackend('silent'), aNamedBackend('alive')]);
    const daemon = await anApiDaemon({ env: SHORT_TTL });
    await daemon.register('silent', silent.port);
    await daemon.register('alive', alive.port);
    const beating = startLoad(1, async () => String(await daemon.beat('alive')));
    await untilChanged(daemon, 'expired', 'silent');
    await untilApplied(daemon, 1, 1);
    expect(await daemon.metric('edgeproxy_backends_excluded{reason="expired"}')).toBe(1);
    expect(await ask(daemon.port)).toBe('alive');
    expect((await daemon.ask('/api/v1/backends/silent')).json).toMatchObject({ healthy: false });
    expect(await daemon.beat('silent')).toBe(200);
    await untilAnswered(daemon.port, 'silent');
    await untilChanged(daemon, 'removed', 'silent');
    await untilApplied(daemon, 1);
    expect(await daemon.beat('silent')).toBe(404);
    await beating.stop();
    expect([...beating.servedBy.keys()]).toEqual(['200']);
    const changes = daemon.logs.filter(
      (line) => line.msg === 'registration changed' && line['backend'] === 'alive',
    );
    expect(changes.map((line) => line['change'])).toEqual(['registered']);
    expect(await daemon.metric('edgeproxy_registered_backends')).toBe(1);
    expect(await daemon.metric('edgeproxy_registration_changes_total{change="expired"}')).toBe(2);
  });

  it('knows after a kill what had registered before it', async () => {
    const backend = await aNamedBackend('a');
    const stateDir = await temporaryFolder();
    const first = await anApiDaemon({ stateDir });
    expect(await first.register('a', backend.port, { weight: 7 })).toBe(201);
    await first.dispose();
    const second = await anApiDaemon({ stateDir });
    expect(await ask(second.port)).toBe('a');
    expect(await second.beat('a')).toBe(200);
    expect((await second.ask('/api/v1/backends')).json).toMatchObject({ total: 1 });
    expect(await second.deregister('a')).toBe(200);
    await second.dispose();
    expect((await (await anApiDaemon({ stateDir })).ask('/api/v1/backends')).json).toMatchObject({
      total: 0,
    });
    const [file] = await readdir(stateDir);
    expect(file).toBe('registrations-127.0.0.1_0.json');
    expect((await stat(join(stateDir, file!))).mode & 0o777).toBe(0o600);
  });

  it('goes by another TTL when its file says so', async () => {
    const config = join(await temporaryFolder(), 'edge.toml');
    await writeFile(config, 'heartbeat_ttl_secs = 3600\n');
    const watched = { EDGEPROXY_CONFIG_WATCH_ENABLED: 'true', EDGEPROXY_CONFIG_WATCH_INTERVAL_SECS: '3600' };
    const daemon = await anApiDaemon({ args: ['--config', config], env: watched });
    await daemon.register('a', 1);
    expect((await daemon.ask('/api/v1/backends/a')).json).toMatchObject({ healthy: true });
    await writeFile(config, 'heartbeat_ttl_secs = 1\n');
    await untilChanged(daemon, 'expired', 'a');
  });

  it('goes on serving while it is sent what it cannot use', async () => {
    const backend = await aNamedBackend('a');
    const daemon = await anApiDaemon();
    await daemon.register('a', backend.port);
    await untilAnswered(daemon.port, 'a');
    const load = startLoad(2, () => ask(daemon.port));
    const bodies = [
      '{',
      '['.repeat(60_000),
      Buffer.alloc(10_000_000, 'x'),
      Buffer.alloc(65_536, 0xff),
      'null',
    ];
    for (let round = 0; round < 10; round++) {
      const statuses = await Promise.all(
        bodies.map((body) =>
          daemon.ask('/api/v1/register', { body }).then(
            ({ status }) => status,
            () => 413,
          ),
        ),
      );
      expect(statuses).toEqual([400, 400, 413, 400, 400]);
    }
    await load.stop();
    expect([load.failures, load.served > 0]).toEqual([[], true]);
    expect(daemon.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe('the token of the registration API', () => {
  it('is made at the first start on an address that others reach, kept, and never told', async () => {
    const stateDir = await temporaryFolder();
    const options = { stateDir, env: { EDGEPROXY_API_LISTEN_ADDR: '0.0.0.0:0' } };
    const daemon = await anApiDaemon(options);
    const path = join(stateDir, 'api-token');
    expect(await daemon.log('api token')).toMatchObject({ level: 'info', path, isNew: true });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const token = (await readFile(path, 'utf8')).trim();
    const body = { id: 'a', app: 'test', region: 'sa', ip: '127.0.0.1', port: 1 };
    expect((await daemon.ask('/api/v1/register', { body })).status).toBe(401);
    const headers = { authorization: `Bearer ${token}`, host: 'hub.internal' };
    expect((await daemon.ask('/api/v1/register', { body, headers })).status).toBe(201);
    expect(await daemon.log('registration changed')).toMatchObject({
      role: 'register',
      address: '127.0.0.1',
    });
    expect(await daemon.log('api request without the token')).toMatchObject({ reason: 'no token' });
    await daemon.dispose();
    const again = await anApiDaemon(options);
    expect(await again.log('api token')).toMatchObject({ path, isNew: false });
    expect((await again.ask('/api/v1/backends', { headers })).status).toBe(200);
    expect(daemon.stdout() + again.stdout()).not.toContain(token);
  });

  it('limits how often an address may try', async () => {
    const daemon = await anApiDaemon({ env: { EDGEPROXY_API_MAX_REQUESTS: '1' } });
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async () => (await daemon.ask('/api/v1/backends')).status),
    );
    expect(statuses).toContain(429);
    expect(statuses.every((status) => status === 200 || status === 429)).toBe(true);
    await until(async () => (await daemon.ask('/api/v1/backends')).status === 200, { what: 'a token' });
  });

  it('has its port named when that is taken', async () => {
    const port = await freePort();
    const env = { EDGEPROXY_API_LISTEN_ADDR: `127.0.0.1:${port}` };
    await anApiDaemon({ env });
    await expect(anApiDaemon({ env })).rejects.toThrow(`EDGEPROXY_API_LISTEN_ADDR: cannot listen`);
  });
});
