import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, spawnCli, startDaemon } from '../support/daemon.ts';
import { until } from '../support/until.ts';
import { once } from '../support/sockets.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edgeproxy-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('edgeproxy', () => {
  it.each([[['--help']], [['run', '--help']], [['check', '-h']], [['sql', '--help']]])(
    'prints its usage for %j',
    async (args) => {
      const { code, stdout } = await runCli(args);
      expect(code).toBe(0);
      expect(stdout).toContain('Usage: edgeproxy COMMAND');
      expect(stdout).toContain('check [--config FILE]');
    },
  );

  it('tells of settings without effect, in check and at the start', async () => {
    const env = {
      EDGEPROXY_LISTEN_ADDR: '127.0.0.1:0',
      EDGEPROXY_MAX_CONNECTIONS: '5',
      EDGEPROXY_MAX_CONNECTIONS_PER_CLIENT: '9',
    };
    const problem =
      'EDGEPROXY_MAX_CONNECTIONS_PER_CLIENT = 9 has no effect beside EDGEPROXY_MAX_CONNECTIONS = 5';
    const { code, stdout } = await runCli(['check'], env);
    expect(code).toBe(0);
    expect(stdout.trim().split('\n').at(-1)).toBe(`warning: ${problem}`);
    const daemon = await startDaemon({ env });
    expect(await daemon.log('a setting has no effect')).toMatchObject({ level: 'warn', problem });
    await daemon.dispose();
  });
});

describe('edgeproxy run', () => {
  it('says in a line each what is wrong with the settings and exits with 2', async () => {
    const { code, stderr } = await runCli(['run'], {
      EDGEPROXY_LISTEN_ADDR: 'localhost',
      EDGEPROXY_LISTN_ADDR: '0.0.0.0:1',
      EDGEPROXY_TLS_ENABLED: 'on',
    });
    expect(code).toBe(2);
    expect(stderr.trim().split('\n')).toEqual([
      'edgeproxy: EDGEPROXY_LISTN_ADDR: no such variable, did you mean EDGEPROXY_LISTEN_ADDR?',
      'edgeproxy: EDGEPROXY_LISTEN_ADDR = "localhost": expected ADDRESS:PORT or [IPV6]:PORT',
      'edgeproxy: EDGEPROXY_TLS_ENABLED = "on": expected true or false',
    ]);
  });

  it('names a file that cannot be read, exit 2', async () => {
    const { code, stderr } = await runCli(['run', '--config', join(folder, 'absent.toml')]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^edgeproxy: --config = ".*absent\.toml": cannot be read: ENOENT.*\n$/);
  });

  it('says that a port is in use and what to do, in one line, exit 1', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const { port } = occupant.address() as { port: number };
    const { code, stderr } = await runCli(['run'], { EDGEPROXY_LISTEN_ADDR: `127.0.0.1:${port}` });
    const config = join(folder, 'taken.toml');
    await writeFile(config, `\nlisten_addr = "127.0.0.1:${port}"\n`);
    const byFile = await runCli(['run', '--config', config]);
    occupant.close();
    expect(byFile.stderr).toContain(
      `edgeproxy: ${config}:2: listen_addr: cannot listen on 127.0.0.1:${port}: `,
    );
    expect([code, stderr]).toEqual([
      1,
      `edgeproxy: EDGEPROXY_LISTEN_ADDR: cannot listen on 127.0.0.1:${port}: another process listens there; ` +
        'stop it or choose another port\n',
    ]);
  });

  it('names a GeoIP database that cannot be opened, exit 1', async () => {
    const path = join(folder, 'garbage.mmdb');
    await writeFile(path, 'not a database');
    const { code, stderr } = await runCli(['run'], { EDGEPROXY_GEOIP_PATH: path });
    expect(code).toBe(1);
    expect(stderr).toContain(path);
    expect(stderr).toContain('EDGEPROXY_GEOIP_PATH');
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('exits with 0 on %s', async (signal) => {
    const daemon = await startDaemon();
    daemon.child.kill(signal);
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
    expect(daemon.logs.at(-1)).toMatchObject({ level: 'info', msg: 'stopped' });
    await daemon.dispose();
  });

  it('serves static backends of the file on an IPv6 wildcard address', async () => {
    const path = join(folder, 'static.toml');
    await writeFile(path, 'listen_addr = "[::]:0"\nregion = "eu"\n');
    const cli = spawnCli(['run'], { EDGEPROXY_CONFIG: path });
    await until(() => cli.logs.some(({ msg }) => msg === 'accepting clients'), { what: 'the daemon' });
    expect(cli.logs.find(({ msg }) => msg === 'accepting clients')).toMatchObject({ proxy: { host: '::' } });
    cli.child.kill('SIGTERM');
    expect((await cli.exited).code).toBe(0);
  });
});

describe('edgeproxy check', () => {
  it('prints each effective value with its origin, secrets masked', async () => {
    const path = join(folder, 'check.toml');
    await writeFile(path, 'region = "eu"\n\n[postgres]\nmax_connections = 20\n');
    const { code, stdout } = await runCli(['check', '--config', path], {
      EDGEPROXY_POSTGRES_URL: 'postgres://me:hush@db.example:5432/edge',
      EDGEPROXY_POSTGRES_MAX_CONNECTIONS: '30',
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^region +eu +${path}:1$`, 'm'));
    expect(stdout).toMatch(/^postgres\.max_connections +30 +EDGEPROXY_POSTGRES_MAX_CONNECTIONS$/m);
    expect(stdout).toMatch(/^postgres\.url +\*\*\* +EDGEPROXY_POSTGRES_URL$/m);
    expect(stdout).toMatch(/^binding\.ttl_secs +600 s +default$/m);
    expect(stdout).not.toContain('hush');
  });

  it('prints a JSON Schema in which every setting has a description', async () => {
    const { stdout } = await runCli(['check', '--schema']);
    const schema = JSON.parse(stdout) as { properties: Record<string, { description?: string }> };
    expect(schema.properties['listen_addr']).toMatchObject({
      default: '0.0.0.0:8080',
      env: 'EDGEPROXY_LISTEN_ADDR',
      description: expect.any(String),
    });
  });
});

describe('edgeproxy', () => {
  it.each([
    [['--help'], 0, 'Usage'],
    [['--version'], 0, '0.1.0'],
    [[], 2, 'no command'],
    [['rum'], 2, 'no command rum'],
  ] as const)('%j exits with %i', async (args, expected, text) => {
    const { code, stdout, stderr } = await runCli(args);
    expect(code).toBe(expected);
    expect(stdout + stderr).toContain(text);
  });

  it('names an option that it does not know, exit 2', async () => {
    const { code, stderr } = await runCli(['run', '--confg', 'x']);
    expect(code).toBe(2);
    expect(stderr).toContain("'--confg'");
  });
});
