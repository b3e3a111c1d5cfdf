import { describe, expect, it, onTestFinished } from 'vitest';
import { postgresEnv, spawnCli } from '../support/daemon.ts';
import { aBackend, anEchoBackend, anEchoClient, anEdge, exchange, opsAnswer } from '../support/edge.ts';
import { freePort, readAll, tcpConnect, untilRefused } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const CLEAN_EXIT = { code: 0, signal: null };

/** A daemon with one client that talks to an echo backend. */
async function aBusyDaemon(env: Readonly<Record<string, string>> = {}) {
  const backend = await anEchoBackend();
  // Whoever knocks until the port is closed must find room until then.
  const { daemon } = await anEdge([{ id: 'a', port: backend.port, hard_limit: 100_000 }], { env });
  return { daemon, backend, client: await anEchoClient(daemon.port) };
}

describe('SIGTERM', () => {
  it('refuses new clients and lets the live one finish, then ends with 0', async () => {
    const { daemon, client } = await aBusyDaemon();
    expect(await opsAnswer(daemon, '/readyz')).toEqual({ status: 200, body: 'ready' });
    daemon.child.kill('SIGTERM');
    expect(await daemon.log('draining')).toMatchObject({ level: 'info', connections: 1 });
    await untilRefused(daemon.port);
    expect(await opsAnswer(daemon, '/readyz')).toEqual({ status: 503, body: 'draining' });
    expect(await opsAnswer(daemon, '/healthz')).toEqual({ status: 200, body: 'ok' });
    expect(await daemon.metric('edgeproxy_postgres_connected')).toBe(1);
    await exchange(client, 'not finished yet');
    const rest = readAll(client);
    client.end('now it is');
    expect((await rest).toString()).toBe('now it is');
    expect(await daemon.exited).toEqual(CLEAN_EXIT);
    expect(daemon.stderr()).toBe('');
    expect(daemon.logs.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
  });

  it('closes what is left after the shutdown timeout and ends with 0', async () => {
    const { daemon, client } = await aBusyDaemon({ EDGEPROXY_SHUTDOWN_TIMEOUT_SECS: '1' });
    const ended = Promise.allSettled([readAll(client)]);
    daemon.child.kill('SIGTERM');
    expect(await daemon.exited).toEqual(CLEAN_EXIT);
    await ended;
    expect(daemon.logs.find(({ msg }) => msg === 'closing connections that are left')).toMatchObject({
      level: 'warn',
      reason: 'timeout',
      connections: 1,
    });
  });

  it('closes what is left at once when it comes again, and ends with 0', async () => {
    const { daemon, client } = await aBusyDaemon();
    const ended = Promise.allSettled([readAll(client)]);
    daemon.child.kill('SIGTERM');
    await daemon.log('draining');
    daemon.child.kill('SIGTERM');
    expect(await daemon.exited).toEqual(CLEAN_EXIT);
    await ended;
    expect(daemon.logs.find(({ msg }) => msg === 'closing connections that are left')).toMatchObject({
      reason: 'asked_again',
    });
  });

  it('ends a daemon that waits for its database at the start with 0', async () => {
    const database = await aBackend((socket) => socket.resume());
    const metricsPort = await freePort();
    const daemon = spawnCli(['run'], {
      EDGEPROXY_LISTEN_ADDR: '127.0.0.1:0',
      EDGEPROXY_METRICS_ENABLED: 'true',
      EDGEPROXY_METRICS_LISTEN_ADDR: `127.0.0.1:${metricsPort}`,
      ...postgresEnv(`postgres://nobody@127.0.0.1:${database.port}/nothing`),
    });
    onTestFinished(async () => {
      daemon.child.kill('SIGKILL');
      await daemon.exited;
    });
    // The first one asks for the settings.
    await until(() => database.sockets.length > 1, {
      what: 'the daemon to ask its database for backends',
    });
    expect(await opsAnswer({ metricsPort }, '/readyz')).toEqual({ status: 503, body: 'starting' });
    daemon.child.kill('SIGTERM');
    expect(await daemon.exited).toEqual(CLEAN_EXIT);
    expect(daemon.logs.map(({ msg }) => msg)).not.toContain('accepting clients');
    await expect(tcpConnect(metricsPort)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('ends a daemon that waits for its settings at the start with 0', async () => {
    const database = await aBackend((socket) => socket.resume());
    const daemon = spawnCli(['run'], {
      EDGEPROXY_LISTEN_ADDR: '127.0.0.1:0',
      ...postgresEnv(`postgres://nobody@127.0.0.1:${database.port}/nothing`),
    });
    onTestFinished(async () => {
      daemon.child.kill('SIGKILL');
      await daemon.exited;
    });
    await until(() => database.sockets.length > 0, { what: 'the daemon to ask for its settings' });
    daemon.child.kill('SIGTERM');
    expect(await daemon.exited).toEqual(CLEAN_EXIT);
    expect(daemon.logs.map(({ msg }) => msg)).toEqual(expect.arrayContaining(['stop requested', 'stopped']));
    expect(daemon.logs.map(({ msg }) => msg)).not.toContain('accepting clients');
  });
});
