import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { exchange } from '../support/edge.ts';
import { pathFromRoot } from '../support/markdown.ts';
import { createDatabase } from '../support/postgres.ts';
import { once, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

/** The lines that an example of a component prints. */
async function linesOf(name: string, env: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const args = ['--conditions=edgeproxy-source', pathFromRoot(`examples/components/${name}.ts`)];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    env: { PATH: process.env['PATH'], ...env },
  });
  expect(stderr).toBe('');
  return stdout.trimEnd().split('\n');
}

describe('examples/components', () => {
  it('rate-limiter serves a burst, refuses, and shares what is left with another thread', async () => {
    const [served = '', ...rest] = await linesOf('rate-limiter');
    expect(
      Number(/^200 OK, (\d+) times, then 429 Too Many Requests$/.exec(served)?.[1]),
    ).toBeGreaterThanOrEqual(10);
    expect(rest).toEqual(['2001:db8::2 has 9 left', '4 here, 6 in another thread, 0 left']);
  });

  it('circuit-breaker fails fast while a service is down, and comes back when it is up', async () => {
    expect(await linesOf('circuit-breaker')).toEqual([
      'open (failure_threshold)',
      '8 calls, 5 of them reached the service',
      'halfOpen (open_timeout)',
      'closed (success_threshold)',
      'then an answer',
    ]);
  });

  it('health-checker tells when a service comes and goes', async () => {
    expect(await linesOf('health-checker')).toEqual([
      'healthy: no error',
      'unhealthy: status 503, expected 200',
      'backend healthy: false, after 3 failures in a row',
    ]);
  });

  it('metrics exposes what was counted', async () => {
    const lines = await linesOf('metrics');
    expect(lines).toEqual(
      expect.arrayContaining([
        'edgeproxy_backend_connections_total{backend="backend-1"} 1',
        'edgeproxy_backend_connections_active{backend="backend-1"} 1',
        'edgeproxy_bytes_sent_total 1024',
        'edgeproxy_bytes_received_total 2048',
      ]),
    );
  });

  it('postgres-backends makes the table, and lists who is healthy in it', async () => {
    const database = await createDatabase();
    try {
      const env = { DATABASE_URL: database.url };
      expect((await linesOf('postgres-backends', env))[0]).toMatch(/^created public\.backends, /);
      await database.query(
        `INSERT INTO backends (id, app, region, country, wg_ip, port, healthy) VALUES
           ('a', 'web', 'sa', 'BR', '10.0.0.1', 80, 1),
           ('b', 'web', 'sa', 'BR', '10.0.0.2', 80, 0),
           ('c', 'web', 'sa', 'BR', 'db.internal', 80, 1)`,
      );
      expect(await linesOf('postgres-backends', env)).toEqual([
        'public.backends is there',
        'a at 10.0.0.1:80',
        expect.stringMatching(/^c is no backend: .*db\.internal/),
      ]);
    } finally {
      await database.drop();
    }
  });

  it('shutdown lets who is connected end, and the second signal does not', async () => {
    const args = ['--conditions=edgeproxy-source', pathFromRoot('examples/components/shutdown.ts')];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    const ended = once(child, 'close');
    const said = (pattern: RegExp) =>
      until(() => lines.find((line) => pattern.test(line)), { what: `a line like ${pattern}` });
    const port = Number(/\d+$/.exec(await said(/^running on port \d+$/))![0]);
    const client = await tcpConnect(port);
    await exchange(client, 'hello');
    child.kill('SIGTERM');
    await said(/^draining, 1 connected$/);
    await exchange(client, 'still here');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(lines.slice(2)).toEqual(['closing 1 that are left (asked_again)', 'stopped']);
  });

  it('connection-pool spares the handshake, and shares no connection that was used', async () => {
    expect(await linesOf('connection-pool')).toEqual([
      'first: dialled, Hello 1',
      'second: warm, Hello 2',
      'third: warm, given back unused',
      'hits: 2, misses: 1, came back: 1',
    ]);
  });
});
