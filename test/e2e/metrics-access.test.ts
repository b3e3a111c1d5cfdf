import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aDaemon, opsAnswer } from '../support/edge.ts';
import { askApi } from '../support/registration.ts';
import { readAll, tcpConnect } from '../support/sockets.ts';

const TOKEN = 'scraper-token-of-the-tests-0123456789';
const ADMIN = 'admin-token-of-the-tests-0123456789';

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe('the metrics of a daemon', () => {
  it('are for whoever has the token, where one is set, and its health is for everybody', async () => {
    const daemon = await aDaemon({
      env: { EDGEPROXY_METRICS_TOKEN: TOKEN, EDGEPROXY_ADMIN_TOKEN: ADMIN },
    });
    const statusOf = async (path: string, token?: string) =>
      (await askApi(daemon.metricsPort, path, token === undefined ? {} : bearer(token))).status;
    expect(await statusOf('/metrics')).toBe(401);
    expect(await statusOf('/metrics', `${TOKEN}x`)).toBe(401);
    expect(await statusOf('/metrics', TOKEN)).toBe(200);
    expect(await statusOf('/metrics', ADMIN)).toBe(200);
    expect(await statusOf('/healthz')).toBe(200);
    expect(await opsAnswer(daemon, '/readyz')).toEqual({ status: 503, body: 'no eligible backend' });
    for (const token of [TOKEN, ADMIN]) expect(daemon.stdout()).not.toContain(token);
  });

  it('are for whoever has the token that the daemon has made, where other machines reach them', async () => {
    const daemon = await aDaemon({
      env: { EDGEPROXY_METRICS_LISTEN_ADDR: '0.0.0.0:0', EDGEPROXY_METRICS_TOKEN_REQUIRED: 'true' },
    });
    const path = join(daemon.stateDir, 'metrics-token');
    expect(await daemon.log('metrics token')).toMatchObject({ path, isNew: true });
    const token = (await readFile(path, 'utf8')).trim();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await askApi(daemon.metricsPort, '/metrics')).status).toBe(401);
    const { status, text } = await askApi(daemon.metricsPort, '/metrics', bearer(token));
    expect([status, text]).toEqual([200, expect.stringContaining('edgeproxy_connections_total 0')]);
    expect(daemon.stdout()).not.toContain(token);
  });

  it('are for everybody who reaches them by default, under any name, but not for pages of others', async () => {
    const daemon = await aDaemon({ env: { EDGEPROXY_METRICS_LISTEN_ADDR: '0.0.0.0:0' } });
    const statusOf = async (headers: Record<string, string>) =>
      (await askApi(daemon.metricsPort, '/metrics', { headers })).status;
    expect(await statusOf({ host: 'edge-1.internal:9090' })).toBe(200);
    expect(await statusOf({ origin: 'http://evil.example' })).toBe(403);
    const link = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    };
    expect(await statusOf(link)).toBe(200);
    expect(await statusOf({ 'sec-fetch-site': 'cross-site' })).toBe(403);
  });
});

describe('a listener of a daemon', () => {
  it('says neither what it is nor of which version, and closes a connection that asks nothing', async () => {
    const daemon = await aDaemon();
    const { headers } = await askApi(daemon.metricsPort, '/metrics');
    expect(Object.keys(headers)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/server|powered/) as string]),
    );
    const socket = await tcpConnect(daemon.metricsPort);
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
    expect(String(await readAll(socket))).toMatch(/^HTTP\/1\.1 408 /);
  });
});
